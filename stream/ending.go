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

// sourceEnd is the end of a finite source. The conductor uses it.
type sourceEnd struct {
	begun    bool
	emptied  <-chan struct{} // since then: a worker has come to the end of its queue
	filled   int             // workers that have not
	timer    *time.Timer
	settleBy time.Time
}

// beginEnd notes that the source has ended. What is queued is worked off beside cuts and commits, so nobody waits here:
// each worker says when it has come to the end of its queue.
func (e *engine[T]) beginEnd() {
	e.end.begun, e.end.settleBy = true, time.Time{}
	e.upkeep.fill.over.Store(true)
	e.end.emptied, e.end.filled = e.workers.markQueues(), len(e.workers)
}

// endStep brings a finite source to its end: everything processed, committed and published. It returns true when that is
// done; else it sees to it that something happens that calls it again.
func (e *engine[T]) endStep(ctx context.Context) (done bool, err error) {
	if e.commits.running != nil || e.commits.want != "" || e.end.filled > 0 || e.commits.spoilt != nil {
		return false, nil //nolint:nilerr // the transaction that is spoilt begins again
	}
	left, waits, dirty, err := e.workers.unfinished(ctx, e.hard)
	switch {
	case err != nil:
		return false, err
	case left > 0 && !waits:
		return false, fmt.Errorf("stream: the source has ended, but stages hold %d records for ever", left)
	case left > 0: // some goroutine of a stage works on them
		e.end.timer.Reset(endPoll)
		return false, nil
	case dirty:
		e.commits.want = "end"
		return false, e.cut()
	case e.upkeep.running:
		return false, nil
	case e.upkeep.settled:
		return true, nil
	}
	now := time.Now()
	if e.end.settleBy.IsZero() {
		e.end.settleBy = now.Add(settleFor)
		e.keep(ctx)
		return false, nil
	}
	if e.upkeep.err != nil { // an outage: it tries again, as it does before the end
		e.end.settleBy = now.Add(settleFor)
		return false, nil //nolint:nilerr // it has been told, and is no reason to end
	}
	if now.After(e.end.settleBy) {
		return false, errors.New("stream: all is committed, but the output does not settle: run again to publish the rest")
	}
	// Whatever else happens calls this, too: a timer that it set anew each time would never fire with short commits.
	if wait := settlePoll - time.Since(e.upkeep.endedAt); wait > 0 {
		e.end.timer.Reset(wait)
	} else {
		e.keep(ctx)
	}
	return false, nil
}

// shutdown ends the job because the caller wants it: no more records are read, what is queued is thrown away, since the
// next run reads it again, and what is finished is committed, within Options.Shutdown. If it is the source that ends the
// job, queue is true: what the source gave before it broke is processed first, for at most half of that time, since the
// next run may get no further.
func (e *engine[T]) shutdown(ctx context.Context, queue bool, stopPolling func(), polled <-chan struct{}) error {
	e.status.board.shutdown()
	timer := time.AfterFunc(e.opts.Shutdown, func() { e.stop(errShutdown) })
	defer timer.Stop()
	stopPolling()
	if !queue {
		e.signals.hurry.Store(true)
	}
	late := context.WithoutCancel(ctx)
	if err := e.waitKeep(late); err != nil {
		return err
	}
	select {
	case <-polled:
	case <-e.hard.Done():
		return context.Cause(e.hard)
	}
	if queue {
		half := time.AfterFunc(e.opts.Shutdown/2, func() { e.signals.hurry.Store(true) })
		defer half.Stop()
		if err := e.workers.drain(e.hard); err != nil {
			return err
		}
	}
	for last := false; ; {
		if e.commits.running != nil {
			select {
			case c := <-e.commits.done:
				e.commits.running = nil
				if c.err != nil {
					return e.lastCommit(c.err)
				}
				e.record(c)
			case <-e.hard.Done():
				return context.Cause(e.hard)
			}
		}
		if last {
			e.witness.tellNow(e.hard, &e.group)
			return nil
		}
		e.commits.want, last = "shutdown", true
		if err := e.cut(); err != nil {
			return err
		}
	}
}

var errShutdown = errors.New("stream: the last commit took longer than Options.Shutdown; what it left undone is done again by the next run")

// lastCommit says how a failed commit ends the job.
func (e *engine[T]) lastCommit(err error) error {
	if errors.Is(err, driver.ErrFenced) { // the new owner does the work again
		e.opts.Logger.Warn("fenced", "error", err, "lanes", len(e.lanes.all), "attempt", 1)
		return nil
	}
	return fmt.Errorf("stream: last commit: %w", err)
}
