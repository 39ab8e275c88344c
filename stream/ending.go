package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
)

// settleFor bounds how long the end of a finite source waits for an output that answers to settle.
const settleFor = time.Minute

// endPoll is how often the end of a finite source looks whether stages that work beside the lane are done.
const endPoll = 20 * time.Millisecond

// settlePoll is how long upkeep that has not settled is left alone then.
const settlePoll = 5 * endPoll

// beginEnd notes that the source has ended. What is queued is worked off beside cuts and commits, so nobody waits here:
// each worker says when it has come to the end of its queue.
func (e *engine[T]) beginEnd() {
	e.ending, e.settleBy = true, time.Time{}
	e.fill.over.Store(true)
	e.emptied, e.filled = e.markQueues(), len(e.workers)
}

// markQueues returns a channel on which each worker says once that it has come to what is now the end of its queue.
func (e *engine[T]) markQueues() <-chan struct{} {
	passed := make(chan struct{}, len(e.workers))
	for _, w := range e.workers {
		w.push(item[T]{do: func(context.Context) error { passed <- struct{}{}; return nil }})
	}
	return passed
}

// endStep brings a finite source to its end: everything processed, committed and published. It returns true when that is
// done; else it sees to it that something happens that calls it again.
func (e *engine[T]) endStep(ctx context.Context) (done bool, err error) {
	if e.committing != nil || e.want != "" || e.filled > 0 || e.spoilt != nil {
		return false, nil //nolint:nilerr // the transaction that is spoilt begins again
	}
	left, waits, dirty, err := e.unfinished(ctx)
	switch {
	case err != nil:
		return false, err
	case left > 0 && !waits:
		return false, fmt.Errorf("stream: the source has ended, but stages hold %d records for ever", left)
	case left > 0: // some goroutine of a stage works on them
		e.endTimer.Reset(endPoll)
		return false, nil
	case dirty:
		e.want = "end"
		return false, e.cut()
	case e.upkeep.running:
		return false, nil
	case e.upkeep.settled:
		return true, nil
	}
	now := time.Now()
	if e.settleBy.IsZero() {
		e.settleBy = now.Add(settleFor)
		e.keep(ctx)
		return false, nil
	}
	if e.upkeep.err != nil { // an outage: it tries again, as it does before the end
		e.settleBy = now.Add(settleFor)
		return false, nil //nolint:nilerr // it has been told, and is no reason to end
	}
	if now.After(e.settleBy) {
		return false, errors.New("stream: all is committed, but the output does not settle: run again to publish the rest")
	}
	// Whatever else happens calls this, too: a timer that it set anew each time would never fire with short commits.
	if wait := settlePoll - time.Since(e.upkeep.endedAt); wait > 0 {
		e.endTimer.Reset(wait)
	} else {
		e.keep(ctx)
	}
	return false, nil
}

// unfinished counts the records that are in flight or pending, once the queues are empty, and tells whether stages may finish
// them without further input, and whether there is anything to commit.
func (e *engine[T]) unfinished(ctx context.Context) (left int64, waits, dirty bool, err error) {
	type answer struct {
		left         int64
		waits, dirty bool
		err          error
	}
	answers := make(chan answer, len(e.workers))
	for _, w := range e.workers {
		w.do(func(ctx context.Context) error {
			if w.stuck != nil {
				answers <- answer{left: 1, waits: true} // all of it is read again
				return nil                              //nolint:nilerr // that error has been told
			}
			a := answer{err: w.pullAll(ctx)}
			for _, l := range w.lanes {
				a.left += l.core.Unfinished()
				a.waits = a.waits || l.core.Pulls()
				a.dirty = a.dirty || l.core.Dirty()
			}
			answers <- a
			return a.err
		})
	}
	for range e.workers {
		select {
		case a := <-answers:
			left, waits, dirty, err = left+a.left, waits || a.waits, dirty || a.dirty, errors.Join(err, a.err)
		case <-ctx.Done():
			return 0, false, false, ctx.Err()
		case <-e.hard.Done():
			return 0, false, false, context.Cause(e.hard)
		}
	}
	return left, waits, dirty, err
}

// shutdown ends the job because the caller wants it: no more records are read, what is queued is thrown away, since the
// next run reads it again, and what is finished is committed, within Options.Shutdown. If it is the source that ends the
// job, queue is true: what the source gave before it broke is processed first, for at most half of that time, since the
// next run may get no further.
func (e *engine[T]) shutdown(ctx context.Context, queue bool, stopPolling func(), polled <-chan struct{}) error {
	e.board.shutdown()
	timer := time.AfterFunc(e.opts.Shutdown, func() { e.stop(errShutdown) })
	defer timer.Stop()
	stopPolling()
	if !queue {
		e.hurry.Store(true)
	}
	late := context.WithoutCancel(ctx)
	if err := e.waitKeep(late); err != nil {
		return err
	}
	select {
	case <-polled:
	case <-e.hard.Done():
		return e.lastError()
	}
	if queue {
		half := time.AfterFunc(e.opts.Shutdown/2, func() { e.hurry.Store(true) })
		defer half.Stop()
		if err := e.drain(); err != nil {
			return err
		}
	}
	for last := false; ; {
		if e.committing != nil {
			select {
			case c := <-e.committed:
				e.committing = nil
				if c.err != nil {
					return e.lastCommit(c.err)
				}
				e.record(c)
			case <-e.hard.Done():
				return e.lastError()
			}
		}
		if last {
			e.witness.tellNow(e.hard, &e.group)
			return nil
		}
		e.want, last = "shutdown", true
		if err := e.cut(); err != nil {
			return err
		}
	}
}

var errShutdown = errors.New("stream: the last commit took longer than Options.Shutdown; what it left undone is done again by the next run")

func (e *engine[T]) lastError() error { return context.Cause(e.hard) }

// lastCommit says how a failed commit ends the job.
func (e *engine[T]) lastCommit(err error) error {
	if errors.Is(err, driver.ErrFenced) { // the new owner does the work again
		e.opts.Logger.Warn("fenced", "error", err, "lanes", len(e.lanes), "attempt", 1)
		return nil
	}
	return fmt.Errorf("stream: last commit: %w", err)
}

// drain waits until the workers have processed what is queued.
func (e *engine[T]) drain() error {
	passed := e.markQueues()
	for range e.workers {
		select {
		case <-passed:
		case <-e.hard.Done():
			return e.lastError()
		}
	}
	return nil
}
