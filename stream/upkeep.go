package stream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

const (
	keepEvery = 3 * time.Second  // between upkeeps
	keepPause = 30 * time.Second // the longest between upkeeps that fail
)

// upkeep is what came of one.
type upkeep struct {
	driver.Upkeep
	kept bool  // Maintain has succeeded, so Upkeep counts
	err  error // of it or of the questions to the source
}

// keep starts upkeep, unless it is under way: it proves the ends of idle logs and maintains the output. It runs beside
// workers, cuts and commits, since it may read for long before an hour closes, but not beside acquiring and releasing. Only
// seals and late publication wait for it, so its errors are logged and it is tried again, without end; ErrStop tells what
// ends the job instead.
func (e *engine[T]) keep(ctx context.Context) {
	if e.keeping {
		return
	}
	e.keeping, e.keepAgain = true, false
	ctx, e.keepStop = context.WithCancel(ctx)
	done := e.keepStop
	upTo := e.unacked
	e.unacked = nil
	e.group.Go(func() {
		defer done()
		var u upkeep
		var unproved error // by the source: clocks stand still; what is committed is published and sealed all the same
		if now, err := e.askNow(ctx); err != nil {
			u.err = fmt.Errorf("the output's clock: %w", err) // it is away, and so is all that Maintain wants of it
		} else {
			unproved = e.prove(ctx, now)
			u.Upkeep, u.err = e.out.Maintain(ctx, e.src.Partitions)
		}
		if u.kept = u.err == nil; u.kept {
			e.fill.complete = u.Complete
		}
		u.err = errors.Join(unproved, wrap("maintain the output", u.err))
		e.ack(ctx, upTo)
		e.kept <- u
	})
}

// ack tells the source committed positions. It is advice: an error is logged and forgotten.
func (e *engine[T]) ack(ctx context.Context, upTo map[record.Partition]record.Position) {
	if e.follower == nil || len(upTo) == 0 {
		return
	}
	if err := e.follower.Ack(ctx, upTo); err != nil && ctx.Err() == nil {
		e.opts.Logger.Warn("acknowledgement failed", "error", err)
	}
}

// ackFor is how long giving lanes up waits for ackNow.
const ackFor = time.Second

// ackNow is ack before lanes are given up: afterwards the source may not speak for them.
func (e *engine[T]) ackNow() {
	upTo := e.unacked
	e.unacked = nil
	ctx, cancel := context.WithTimeout(e.hard, ackFor)
	e.group.Go(func() {
		defer cancel()
		e.ack(ctx, upTo)
	})
	<-ctx.Done()
}

// prove asks which idle logs have ended, and moves their clocks to the time before the question. That time, now, is the
// output's, since all instances share it and it has nothing to do with the broker's answer.
func (e *engine[T]) prove(ctx context.Context, now time.Time) error {
	e.fill.look(e.read.Load(), now)
	at, owner, since := e.idle(ctx, now)
	if len(at) == 0 {
		return nil
	}
	live, r := e.fill.patience == 0, e.fill.resting(since)
	proved, err := e.src.AtEnd(ctx, at)
	if err != nil {
		return wrap("ask for the ends of logs", err)
	}
	for _, p := range proved {
		if l := owner[p]; l != nil {
			l.w.do(func(ctx context.Context) error {
				if l.gone || l.w.stuck != nil {
					return nil //nolint:nilerr // that error has been told
				}
				l.w.begin(l)
				err := l.core.Prove(ctx, p, now, live, r)
				l.w.end(l)
				return err
			})
		}
	}
	return nil
}

// idle returns the positions of partitions that gave no record since it was last called; none if ctx ends, since workers
// may be within a slice for long, and what ends ctx waits for us. rest is when the last of all partitions was found at its
// end, zero if one is not.
func (e *engine[T]) idle(ctx context.Context, now time.Time) (map[record.Partition]record.Position, map[record.Partition]*lane[T], time.Time) {
	at, owner := map[record.Partition]record.Position{}, map[record.Partition]*lane[T]{} // workers may still fill them when we are gone
	rest, all := time.Time{}, true
	var mu sync.Mutex
	answered := make(chan struct{}, len(e.workers)) // has room for all, so nobody waits for us when we are gone
	for _, w := range e.workers {
		w.do(func(context.Context) error {
			defer func() { answered <- struct{}{} }()
			mu.Lock()
			defer mu.Unlock()
			for _, l := range w.lanes {
				if e.fill.patience > 0 {
					since, ok := l.core.AtRest()
					rest, all = maxTime(rest, since), all && ok
				}
				part := l.core.Idle(now)
				maps.Copy(at, part)
				for p := range part {
					owner[p] = l
				}
			}
			return nil
		})
	}
	for range e.workers {
		select {
		case <-answered:
		case <-ctx.Done():
			return nil, nil, time.Time{}
		case <-e.hard.Done(): // workers may be gone
			return nil, nil, time.Time{}
		}
	}
	if !all {
		rest = time.Time{}
	}
	return at, owner, rest
}

// afterKeep takes in what came of upkeep.
func (e *engine[T]) afterKeep(ctx context.Context, u upkeep) error {
	e.keepEnded(ctx, u)
	if stops(u.err) {
		return u.err
	}
	if err := e.letGo(ctx); err != nil {
		return err
	}
	if e.keepAgain && u.err == nil {
		e.keep(ctx)
	}
	return nil
}

// keepEnded notes the end of upkeep and plans the next.
func (e *engine[T]) keepEnded(ctx context.Context, u upkeep) {
	e.keeping, e.keepStop, e.keptAt = false, nil, time.Now()
	switch {
	case u.err == nil:
		e.keepErr, e.keepFails = nil, 0
		e.status.passed(&e.status.upkeep)
	case ctx.Err() == nil && !errors.Is(u.err, context.Canceled):
		e.keepErr = u.err
		e.keepFails++
		since := e.status.fails(&e.status.upkeep, time.Now(), u.err)
		e.opts.Logger.Warn("upkeep failed", "error", u.err, "for", since)
	}
	e.keepTimer.Reset(jitter(retry.Pause(keepEvery, keepPause, e.keepFails)))
	if !u.kept {
		return
	}
	e.settled = u.Settled
	if closed := e.status.kept(u.Upkeep); closed > 0 {
		e.opts.Logger.Info("closed hours", "hours", closed, "earliest", u.EarliestHour)
	}
	for _, l := range e.lanes {
		k := record.Clocks{Lane: l.committed, Job: u.Clock}
		if k == l.told {
			continue
		}
		l.told = k
		l.w.do(func(ctx context.Context) error {
			if l.gone || l.w.stuck != nil {
				return nil //nolint:nilerr // that error has been told
			}
			return l.core.Committed(ctx, k)
		})
	}
}

// waitKeep ends upkeep, if it is under way: something more urgent needs the output.
func (e *engine[T]) waitKeep(ctx context.Context) error {
	if !e.keeping {
		return nil
	}
	e.keepStop()
	select {
	case u := <-e.kept:
		e.keepEnded(ctx, u)
		return nil
	case <-e.hard.Done():
		return context.Cause(e.hard)
	}
}

func (e *engine[T]) askNow(ctx context.Context) (time.Time, error) {
	now, latest, err := e.out.Now(ctx)
	if err == nil {
		e.clock.set(now, latest)
	}
	return now, err
}

func (e *engine[T]) askClock(ctx context.Context) error {
	_, err := e.askNow(ctx)
	return err
}
