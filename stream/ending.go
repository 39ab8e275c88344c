package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
)

// settleFor bounds how long the end of a finite source waits for upkeep to settle. Outages do not count.
const settleFor = time.Minute

// endPoll is how often the end of a finite source asks whether stages with goroutines of their own are done.
const endPoll = 20 * time.Millisecond

// settlePoll is the pause, at the end of a finite source, before upkeep that has not settled runs again.
const settlePoll = 5 * endPoll

// sourceEnd is the end of a finite source. The conductor uses it.
type sourceEnd struct {
	begun    bool
	emptied  <-chan struct{} // each worker sends once its queue is empty
	filled   int             // workers that have not sent
	timer    *time.Timer
	settleBy time.Time
}

// beginEnd notes that the source has ended. The workers still process their queues, while cuts and commits go on. Each
// worker says when its queue is empty.
func (e *engine[T]) beginEnd() {
	e.end.begun, e.end.settleBy = true, time.Time{}
	e.upkeep.fill.over.Store(true)
	e.end.emptied, e.end.filled = e.workers.markQueues(), len(e.workers)
}

// endStep takes the next step towards the end of a finite source: process, commit, publish. It returns true once everything
// is done. Else it has started something whose end calls it again.
func (e *engine[T]) endStep(ctx context.Context) (done bool, err error) {
	if e.commits.running != nil || e.commits.want != "" || e.end.filled > 0 || e.commits.spoilt != nil {
		return false, nil //nolint:nilerr // a spoilt transaction makes all lanes begin again
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
	if e.upkeep.err != nil { // an outage: upkeep runs again, as always
		e.end.settleBy = now.Add(settleFor)
		return false, nil //nolint:nilerr // it has been told, and is no reason to end
	}
	if now.After(e.end.settleBy) {
		return false, errors.New("stream: all is committed, but the output does not settle: run again to publish the rest")
	}
	// endStep runs after every event. A timer set to the full pause each time would never fire when commits are frequent.
	if wait := settlePoll - time.Since(e.upkeep.endedAt); wait > 0 {
		e.end.timer.Reset(wait)
	} else {
		e.keep(ctx)
	}
	return false, nil
}

// shutdown ends the job within Options.Shutdown. It stops reading and commits what is finished. Queued batches are thrown
// away, since the next run reads them again. queue is true if the source broke: then queued batches are processed first,
// for at most half of that time, since the next run may fail before it gets as far.
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
