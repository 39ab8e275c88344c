package main

import "sync/atomic"

// budget is the bytes of memory that all bodies together may have. It is safe for concurrent use.
type budget struct {
	all  int64
	used atomic.Int64
}

func newBudget(all int64) *budget { return &budget{all: all} }

// take takes n bytes if there are as many.
func (b *budget) take(n int64) bool {
	if b.used.Add(n) > b.all {
		b.used.Add(-n)
		return false
	}
	return true
}

func (b *budget) give(n int64) { b.used.Add(-n) }
