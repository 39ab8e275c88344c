package workers

import (
	"context"
	"time"

	"github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/stream/record"
)

// item is a record that waits for its task.
type item[In any] struct {
	event   record.Event[In]
	seq     uint64 // in the lane
	bytes   int64
	arrived time.Duration
}

// attempt is a record that was started and is not finished. Its sub-partition uses it again for other records, and guards it
// by its mu.
type attempt[In, Out any] struct {
	item[In]
	box    box[Out]
	s      *sub[In, Out]
	phase  phase
	n      int           // attempts so far
	since  time.Duration // start of the last one
	due    time.Duration // of the next one, while it pauses
	ctx    context.Context
	cancel context.CancelCauseFunc
}

type phase uint8

const (
	free    phase = iota
	working       // the answer is awaited
	judged        // it has failed, and Options.Failed is asked
	pausing       // before the next attempt
)

// context is that of the attempt. It outlives the attempt if all goes well, so that it costs nothing.
func (a *attempt[In, Out]) context() context.Context {
	if a.ctx == nil {
		a.ctx, a.cancel = context.WithCancelCause(a.s.l.ctx)
	}
	return a.ctx
}

// expire ends the attempt's time. Its context is not used again.
func (a *attempt[In, Out]) expire() {
	a.box.open, a.box.late = false, a.box.gen
	if a.cancel != nil {
		a.cancel(ErrTimeout)
	}
	a.ctx, a.cancel = nil, nil
}

// answered takes the answer from the box. It is called with mu held and unlocks it.
func (a *attempt[In, Out]) answered() {
	s := a.s
	if err := a.box.err; err != nil {
		s.failed(a, err)
	} else {
		s.finish(a, nil)
	}
	s.refusal.again()
	if s.state == resting { // else who runs it goes on
		s.wake(s.l.now())
	}
	s.mu.Unlock()
}

// ignored counts an answer that does not count. It is called with mu held and unlocks it.
func (a *attempt[In, Out]) ignored(gen uint64) {
	c := &a.s.l.w.counters
	switch {
	case a.s.closed:
		c.afterClose.Add(1)
	case gen == a.box.late:
		c.late.Add(1)
	default:
		c.again.Add(1)
	}
	a.s.mu.Unlock()
}

// failed asks what becomes of a record whose attempt failed. It needs mu, which it unlocks meanwhile.
func (s *sub[In, Out]) failed(a *attempt[In, Out], err error) {
	w, n := s.l.w, a.n
	a.phase, a.box.err = judged, nil
	s.failures++
	s.mu.Unlock()
	w.counters.failures.Add(1)
	v, caught := w.judge(err, n)
	s.mu.Lock()
	switch {
	case s.closed:
	case caught != nil:
		s.l.stop(&Error{s.id, n, caught})
	case v == Retry:
		a.phase, a.due = pausing, s.l.now()+pauseAfter(w.opts.Backoff, s.id.Index, n)
		s.pausing++
		s.l.arm(a.due)
	case v == DeadLetter:
		s.finish(a, err)
	default:
		s.l.stop(&Error{s.id, n, err})
	}
}

// judge calls Options.Failed.
func (w *Workers[In, Out]) judge(err error, n int) (v Verdict, caught error) {
	caught = guarded(func() { v = w.opts.Failed(err, n) })
	return v, caught
}

// pauseAfter is how long to wait after the nth attempt at a record of a sub-partition. Records that failed together are not tried
// again together; yet a test gets the same pauses each time.
func pauseAfter(backoff time.Duration, index, n int) time.Duration {
	d := retry.Pause(backoff, time.Minute, n)
	part := (uint64(index)*0x9E3779B97F4A7C15 + uint64(n)*0xBF58476D1CE4E5B9) >> 54 // below 1024
	return d - d/2*time.Duration(part)/1024
}

// desk has the attempts of a sub-partition.
type desk[In, Out any] struct {
	all  []*attempt[In, Out]
	free []*attempt[In, Out]
}

func (d *desk[In, Out]) busy() int { return len(d.all) - len(d.free) }

// take gives an attempt to the next record of s. It needs mu.
func (d *desk[In, Out]) take(s *sub[In, Out]) *attempt[In, Out] {
	if len(d.free) == 0 {
		a := &attempt[In, Out]{s: s}
		a.box.mu, a.box.owner = &s.mu, a
		d.all, d.free = append(d.all, a), append(d.free, a)
	}
	a := d.free[len(d.free)-1]
	d.free = d.free[:len(d.free)-1]
	a.item = *s.queue.first()
	s.queue.drop()
	a.n, a.phase = 0, judged // until it is started
	return a
}

// release ends the attempts at a record that is finished. It needs mu.
func (d *desk[In, Out]) release(a *attempt[In, Out]) {
	a.item, a.phase, a.box.open, a.box.err = item[In]{}, free, false, nil
	d.free = append(d.free, a)
}
