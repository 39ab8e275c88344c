package stream

import "sync/atomic"

// backlog counts the records that the source has delivered and that are not committed. The source no longer counts them,
// so without it a job whose output was away looked as if it had no work. It is safe for concurrent use.
type backlog struct {
	waiting atomic.Int64 // in batches that wait for a worker or are with one; the whole batch counts until its end
	read    atomic.Int64 // by lanes, for the first time, since what is committed
	undone  atomic.Int64 // delivered and given up: the source delivers them again once its lanes are started
	redo    atomic.Int64 // read and given up: they are committed as soon as they were read again; 0 is none
	batches atomic.Int64 // that workers are through with, warm-ups too
}

// records is how many there are.
func (b *backlog) records() int64 { return b.waiting.Load() + b.read.Load() + b.undone.Load() }

// reads notes n records that a lane has read for the first time. It reports, once, that all which was given up has been
// read again.
func (b *backlog) reads(n int64) (again bool) {
	read := b.read.Add(n)
	redo := b.redo.Load()
	return redo > 0 && read >= redo && b.redo.CompareAndSwap(redo, 0)
}

// committed notes n records that were read and are committed. The conductor calls it.
func (b *backlog) committed(n int64) {
	b.read.Add(-n)
	if redo := b.redo.Load(); redo > 0 {
		b.redo.CompareAndSwap(redo, max(0, redo-n))
	}
}

// giveUp says that nothing of the backlog can be committed any more. No lane may be at work. Workers still throw away the
// batches that wait, which counts these twice for a moment.
func (b *backlog) giveUp() {
	read := b.read.Swap(0)
	b.undone.Add(read + b.waiting.Load())
	b.redo.Store(max(b.redo.Load(), read))
}

// started says that the source delivers again what was given up, and counts it itself.
func (b *backlog) started() { b.undone.Store(0) }
