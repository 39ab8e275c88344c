package driver

import "sync/atomic"

// Budget counts the bytes that a job keeps in memory: records in flight, pending records, and buffers of the output. It
// never blocks: over the limit the output writes out its largest buffers and the engine pauses the source. It is safe for
// concurrent use; a nil Budget counts nothing and is never over.
type Budget struct {
	limit int64
	used  atomic.Int64
}

// NewBudget makes a budget of limit bytes.
func NewBudget(limit int64) *Budget { return &Budget{limit: limit} }

// Add counts n bytes; a negative n gives bytes back. It returns whether the budget is over its limit.
func (b *Budget) Add(n int64) (over bool) {
	if b == nil {
		return false
	}
	return b.used.Add(n) > b.limit
}

// Used is the number of bytes in use, Limit the most there should be.
func (b *Budget) Used() int64 {
	if b == nil {
		return 0
	}
	return b.used.Load()
}

// Limit is the most there should be in use.
func (b *Budget) Limit() int64 {
	if b == nil {
		return 0
	}
	return b.limit
}
