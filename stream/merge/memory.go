package merge

import (
	"slices"
	"sync"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/merge/internal/order"
	"github.com/onceflow/onceflow/stream/record"
)

// memory is where records wait, and by which times. The goroutine of Poll uses it, but chunks and deliveries come back by any.
type memory struct {
	time    func(*record.Record) time.Time // nil: the record's own
	chunks  sync.Pool
	batches sync.Pool
	number  int64   // of the last delivery
	times   []int64 // scratch of timesOf
	loans   []*loan // oldest first
}

func newMemory(o *Options) *memory {
	m := &memory{time: o.Time}
	m.chunks.New = func() any { return &chunk{pool: &m.chunks} }
	m.batches.New = func() any {
		d := &delivery{pool: &m.batches}
		d.done = d.release
		return d
	}
	return m
}

// chunk is an empty one.
func (m *memory) chunk() *chunk {
	c := m.chunks.Get().(*chunk)
	c.refs.Store(1)
	return c
}

// copied is a chunk of copies of records. dead has unreadable ones by their indexes, which are from ahead of those in records.
func (m *memory) copied(records []record.Record, dead map[int]driver.DeadLetter, from int) *chunk {
	c := m.chunk()
	c.fill(records)
	c.bury(dead, from)
	return c
}

// lent is a chunk of records that lie in b, which it releases. It is for input i of l.
func (m *memory) lent(l *lane, i int, b *driver.Batch, records []record.Record, dead map[int]driver.DeadLetter, from int) *chunk {
	c := m.chunk()
	c.records, c.batch = records, b
	c.weigh(max(b.Bytes*int64(len(records))/int64(len(records)+from), int64(len(records))*overhead))
	c.bury(dead, from)
	c.loan = &loan{c, l, i, time.Now()}
	m.loans = append(m.loans, c.loan)
	return c
}

// loan is a chunk in the queue of a lane whose records lie in a batch of a side. The goroutine of Poll uses it.
type loan struct {
	chunk *chunk // nil once it has left the queue
	lane  *lane
	input int
	since time.Time
}

// lends is how long the memory of a side is used for records that wait.
const lends = 200 * time.Millisecond

// payBack copies what has waited for long, so that the sides get their memory back. Without it what waits in one lane could keep a
// side from reading what another lane waits for. It returns when the next is due; zero is never.
func (m *memory) payBack(now time.Time) (due time.Time) {
	for len(m.loans) > 0 {
		if o := m.loans[0]; o.chunk != nil {
			if due = o.since.Add(lends); due.After(now) {
				return due
			}
			o.lane.copy(o.input, o.chunk)
		}
		m.loans[0] = nil
		m.loans = m.loans[1:]
	}
	m.loans = nil
	return time.Time{}
}

// copy puts a copy of what is left of c into its place.
func (l *lane) copy(i int, c *chunk) {
	at := slices.Index(l.in[i].queue, c)
	if at < 0 {
		return
	}
	own := l.memory.copied(c.records[c.next:], c.dead, c.next)
	own.weigh(c.bytes)
	own.passed, own.marks, own.ended = c.passed, c.marks, c.ended
	l.in[i].queue[at] = own
	c.leave()
}

// delivery is an empty batch.
func (m *memory) delivery(lane string) *delivery {
	d := m.batches.Get().(*delivery)
	m.number++
	d.number = m.number
	d.batch.Lane, d.batch.Undated, d.batch.Done = lane, true, d.done // what of it is known stands in Arrivals
	return d
}

// timesOf is by what records are sorted. It is valid until the next call.
func (m *memory) timesOf(c *chunk) []int64 {
	m.times = m.times[:0]
	for len(m.times) < len(c.records) {
		m.someTimes(c)
	}
	return m.times
}

// someTimes goes on until Time panics. That record has none.
func (m *memory) someTimes(c *chunk) {
	defer func() {
		if recover() != nil {
			m.times = append(m.times, order.None)
		}
	}()
	for i := len(m.times); i < len(c.records); i++ {
		r := &c.records[i]
		t := r.Time
		if c.dead != nil {
			if _, bad := c.dead[i]; bad {
				m.times = append(m.times, order.None)
				continue
			}
		}
		if m.time != nil {
			t = m.time(r)
		}
		m.times = append(m.times, order.At(t))
	}
}
