package stream

import (
	"sync/atomic"

	"github.com/onceflow/onceflow/stream/driver"
)

// memory counts the bytes that a job keeps against its limit. It is safe for concurrent use.
type memory struct {
	budget  *driver.Budget
	limit   int64        // Options.Memory
	ceiling atomic.Int64 // the limit, or more while pending records need it
	choked  atomic.Bool  // all lanes are paused
	queued  atomic.Int64 // bytes of batches that wait for workers
	share   atomic.Int64 // bytes that may wait in the queue of one lane
}

func newMemory(limit int64) *memory {
	m := &memory{budget: driver.NewBudget(limit), limit: limit}
	m.ceiling.Store(limit)
	return m
}

// charge adds n bytes and reports whether memory is over its limit.
func (m *memory) charge(n int64) (over bool) {
	if n != 0 {
		m.budget.Add(n)
	}
	return m.budget.Used() > m.ceiling.Load()
}

// roomy reports whether enough was freed to go on.
func (m *memory) roomy() bool { return m.budget.Used() <= m.ceiling.Load()/8*7 }

// divide sets each lane's share of the bytes that may wait in queues. More than a few batches for each lane gain nothing.
func (m *memory) divide(lanes int) {
	const least, most = 256 << 10, 4 << 20
	m.share.Store(min(max(m.limit/8/int64(max(lanes, 1)), least), most))
}
