package workers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/onceflow/onceflow/stream/record"
)

// A sub-partition gives way to others after so many records, or so much time.
const (
	turnRecords = 128
	turnTime    = time.Millisecond
)

// holder has the task of a sub-partition and the call of it that is under way. The sub-partition's mu guards it.
type holder[In, Out any] struct {
	task       Task[In, Out] // nil: it is not open
	accepts    Accepter[In]
	punctuates bool
	next       time.Duration // call of Punctuate
	spoilt     bool          // by a panic: it is replaced before its next call

	calling bool
	since   time.Duration
}

// run does what there is to do for s, and gives way now and then. It is called by the scheduler.
func (s *sub[In, Out]) run() {
	s.mu.Lock()
	if s.state != ready {
		s.mu.Unlock()
		return
	}
	s.state = running
	epoch, began := s.epoch, s.l.now()
	for n, now := 0, began; s.epoch == epoch; n, now = n+1, s.l.now() {
		todo, a := s.work(now)
		if todo == nothing {
			s.rest(now)
			break
		}
		if (n >= turnRecords || now-began >= turnTime) && !s.closed {
			s.state = ready
			s.l.w.sched.Go(s.runs)
			break
		}
		s.step(todo, a, now)
	}
	s.mu.Unlock()
}

// rest ends a run. It needs mu.
func (s *sub[In, Out]) rest(now time.Duration) {
	s.state = resting
	if s.closed {
		s.l.ending.done()
	} else if next := s.next(now); next > 0 {
		s.l.arm(next)
	}
}

// step does one thing. It needs mu, which it unlocks during calls of the task.
func (s *sub[In, Out]) step(todo work, a *attempt[In, Out], now time.Duration) {
	if todo == shut {
		s.closeOld(now)
		return
	}
	epoch := s.epoch
	if !s.ready(now) {
		return
	}
	switch todo {
	case tick:
		s.punctuate(now)
	case again:
		s.pausing--
		s.attempt(a, now)
	default:
		if s.accept(now) && s.epoch == epoch && !s.closed {
			s.attempt(s.desk.take(s), now)
		}
	}
}

// enter comes before a call of the user's code, and unlocks mu. leave comes behind it and locks mu again. It returns false if
// the call took so long that it was left to itself: then another run has another task, and nothing of this one counts.
func (s *sub[In, Out]) enter(now time.Duration) (epoch int, t Task[In, Out]) {
	s.holder.calling, s.holder.since = true, now
	if timeout := s.l.w.opts.Timeout; timeout > 0 {
		s.l.arm(now + timeout)
	}
	epoch, t = s.epoch, s.holder.task
	s.mu.Unlock()
	return epoch, t
}

func (s *sub[In, Out]) leave(epoch int, t Task[In, Out]) bool {
	s.mu.Lock()
	if s.epoch == epoch {
		s.holder.calling = false
		return true
	}
	s.mu.Unlock()
	s.l.w.hang(-1)
	closeTask(t) //nolint:errcheck // it was replaced long ago
	s.mu.Lock()
	return false
}

// attempt calls the task for a record. It needs mu.
func (s *sub[In, Out]) attempt(a *attempt[In, Out], now time.Duration) {
	a.n++
	a.since, a.phase = now, working
	r, ctx, event := a.box.expect(), a.context(), a.event
	epoch, task := s.enter(now)
	caught := process(ctx, task, event, r)
	if !s.leave(epoch, task) || caught == nil {
		return
	}
	s.panicked()
	if a.box.open && a.box.gen == r.gen {
		a.box.open = false
		s.failed(a, caught)
	}
}

func process[In, Out any](ctx context.Context, task Task[In, Out], e record.Event[In], r Reply[Out]) (caught error) {
	defer func() {
		if v := recover(); v != nil {
			caught = record.Caught(v)
		}
	}()
	task.Process(ctx, e, r)
	return nil
}

// panicked has the task replaced, since the panic may have left it half changed. It needs mu.
func (s *sub[In, Out]) panicked() {
	s.holder.spoilt = true
	s.l.w.counters.panics.Add(1)
}

// accept asks the task whether the next record may be started. It needs mu.
func (s *sub[In, Out]) accept(now time.Duration) bool {
	accepts := s.holder.accepts
	if accepts == nil {
		return true
	}
	event := s.queue.first().event
	var ok bool
	epoch, task := s.enter(now)
	caught := guarded(func() { ok = accepts.Accept(event) })
	switch {
	case !s.leave(epoch, task) || s.closed:
		return false
	case caught != nil:
		s.panicked()
		a := s.desk.take(s)
		a.n = 1
		s.failed(a, caught)
		return false
	case !ok:
		s.refusal.no(now)
		return false
	}
	s.refusal = refusal{}
	return true
}

// punctuate calls the task without a record. It needs mu.
func (s *sub[In, Out]) punctuate(now time.Duration) {
	p, _ := s.holder.task.(Punctuator)
	epoch, task := s.enter(now)
	caught := guarded(func() { p.Punctuate(s.l.ctx, s.l.at.Now()) })
	if !s.leave(epoch, task) {
		return
	}
	s.holder.next = s.l.now() + s.l.w.opts.Punctuate
	if caught != nil {
		s.panicked()
		s.l.stop(&Error{s.id, 0, fmt.Errorf("punctuate: %w", caught)})
	}
}

// ready opens the task, or replaces it after a panic. It needs mu.
func (s *sub[In, Out]) ready(now time.Duration) bool {
	h := &s.holder
	if h.spoilt && !s.closeOld(now) {
		return false
	}
	if h.task != nil {
		return true
	}
	var task Task[In, Out]
	var err error
	epoch, _ := s.enter(now)
	caught := guarded(func() { task, err = s.l.w.open(s.id) })
	if err = errors.Join(err, caught); err == nil && task == nil {
		err = errors.New("it gave no task")
	}
	if !s.leave(epoch, task) {
		return false
	}
	if err != nil {
		s.l.stop(&Error{s.id, 0, fmt.Errorf("open: %w", err)})
		return false
	}
	h.task = task
	h.accepts, _ = task.(Accepter[In])
	if _, h.punctuates = task.(Punctuator); h.punctuates {
		h.next = s.l.now() + s.l.w.opts.Punctuate
	}
	return !s.closed
}

// closeOld closes the task. It needs mu.
func (s *sub[In, Out]) closeOld(now time.Duration) bool {
	epoch, task := s.enter(now)
	err := closeTask(task)
	if err != nil {
		s.l.w.opts.Logger.Warn("a task was not closed", "subpartition", s.id.String(), "err", err)
	}
	if !s.leave(epoch, nil) {
		return false
	}
	s.holder = holder[In, Out]{}
	return true
}

// abandon leaves a call that hangs to itself. What it still does counts for nothing. It needs mu.
func (s *sub[In, Out]) abandon(now time.Duration) {
	s.l.w.opts.Logger.Warn("a call of a task hangs, and the task is replaced", "subpartition", s.id.String(), "for", now-s.holder.since)
	s.epoch++
	s.holder, s.state = holder[In, Out]{}, resting
	s.l.w.counters.abandoned.Add(1)
	if s.l.w.hang(1) {
		s.l.stop(&Error{s.id, 0, errHangs})
	}
}

// guarded calls f and returns its panic.
func guarded(f func()) (caught error) {
	defer func() {
		if v := recover(); v != nil {
			caught = record.Caught(v)
		}
	}()
	f()
	return nil
}

// closeTask closes t if it can be closed. A panic is an error.
func closeTask(t any) (err error) {
	c, ok := t.(io.Closer)
	if !ok {
		return nil
	}
	if caught := guarded(func() { err = c.Close() }); caught != nil {
		return caught
	}
	return err
}
