package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/internal/when"
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
	deaf bool  // the source has not answered, and nothing else has failed
}

// upkeeper runs upkeep, one round at a time. A round runs beside workers, cuts and commits, but never beside an acquisition
// or a release. The conductor uses it.
type upkeeper[T any] struct {
	src     driver.Source
	out     driver.Output[T]
	witness *witness
	clock   *storeClock
	fill    backfill
	status  *statusBoard
	log     *slog.Logger
	workers pool[T]
	read    *atomic.Int64 // records, by all workers

	group   *sync.WaitGroup
	done    chan upkeep
	running bool
	again   bool               // a commit has ended since it began
	cancel  context.CancelFunc // of the one that runs
	timer   *time.Timer        // for the next
	endedAt time.Time          // when it last ended
	err     error              // of the last failed round; nil after a success
	fails   int                // failures in a row
	settled bool               // after the last round the output had nothing left to do
}

// start begins a round of upkeep unless one is running. It proves the ends of idle logs and calls Maintain, which may read
// for long before an hour closes. Only seals and late publication wait for it, so errors are logged and it runs again,
// without end. ErrStop names the errors that end the job.
func (k *upkeeper[T]) start(ctx, hard context.Context) {
	if k.running {
		return
	}
	k.running, k.again = true, false
	ctx, k.cancel = context.WithCancel(ctx)
	done := k.cancel
	upTo := k.witness.take()
	k.group.Go(func() {
		defer done()
		var u upkeep
		var unproved error // the source proved nothing: clocks stand still, but Maintain still publishes and seals
		if now, err := k.clock.ask(ctx, k.out.Now); err != nil {
			u.err = fmt.Errorf("the output's clock: %w", err) // the store is away, so Maintain would fail, too
		} else {
			unproved = k.prove(ctx, hard, now)
			var unlisted atomic.Bool // Maintain may ask from another goroutine
			u.Upkeep, u.err = k.out.Maintain(ctx, func(ctx context.Context) ([]record.Partition, error) {
				list, err := k.src.Partitions(ctx)
				unlisted.Store(err != nil)
				return list, err
			})
			u.deaf = unlisted.Load() || u.err == nil && unproved != nil
		}
		if u.kept = u.err == nil; u.kept {
			k.fill.complete = u.Complete
		}
		u.err = errors.Join(unproved, wrap("maintain the output", u.err))
		k.witness.tell(ctx, upTo)
		k.done <- u
	})
}

// prove asks which idle logs have ended and moves their clocks to now, which was read before the question. now is the
// output's time: all instances share it, and it does not depend on the broker that answers.
func (k *upkeeper[T]) prove(ctx, hard context.Context, now time.Time) error {
	k.fill.look(k.read.Load(), now)
	at, owner, since := k.idle(ctx, hard, now)
	if len(at) == 0 {
		return nil
	}
	live, r := k.fill.patience == 0, k.fill.resting(since)
	proved, err := k.src.AtEnd(ctx, at)
	for _, p := range proved {
		if l := owner[p]; l != nil {
			l.w.inbox.do(func(ctx context.Context) error {
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
	return wrap("ask for the ends of logs", err)
}

// idle returns the positions of partitions that may have ended: see core.Lane.Idle. It returns none if ctx ends, since a
// worker may spend long in one slice while whoever ended ctx waits for upkeep. The time is when the last of all partitions
// was found at its end; zero if one was not.
func (k *upkeeper[T]) idle(ctx, hard context.Context, now time.Time) (map[record.Partition]record.Position, map[record.Partition]*lane[T], time.Time) {
	at, owner := map[record.Partition]record.Position{}, map[record.Partition]*lane[T]{} // workers may fill them after we return
	rest, all := time.Time{}, true
	var mu sync.Mutex
	answered := make(chan struct{}, len(k.workers)) // room for all, so no worker waits after we return
	for _, w := range k.workers {
		w.inbox.do(func(context.Context) error {
			defer func() { answered <- struct{}{} }()
			mu.Lock()
			defer mu.Unlock()
			for _, l := range w.lanes {
				if k.fill.patience > 0 {
					since, ok := l.core.AtRest()
					rest, all = when.Later(rest, since), all && ok
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
	if gather(ctx, hard, len(k.workers), answered, func(struct{}) {}) != nil {
		return nil, nil, time.Time{}
	}
	if !all {
		rest = time.Time{}
	}
	return at, owner, rest
}

// ended notes the end of a round and sets the timer for the next. It reports whether Maintain succeeded.
func (k *upkeeper[T]) ended(ctx context.Context, u *upkeep) bool {
	k.running, k.cancel, k.endedAt = false, nil, time.Now()
	switch {
	case u.err == nil:
		k.err, k.fails = nil, 0
		k.status.passed(&k.status.upkeep)
	case ctx.Err() == nil && !errors.Is(u.err, context.Canceled):
		k.err = u.err
		k.fails++
		what, line := "upkeep", "upkeep failed"
		if u.deaf {
			what, line = "the source", "the source does not answer"
		}
		since := k.status.fails(&k.status.upkeep, what, time.Now(), u.err)
		k.log.Warn(line, "error", u.err, "for", since)
	}
	k.timer.Reset(retry.Around(retry.Pause(keepEvery, keepPause, k.fails)))
	if !u.kept {
		return false
	}
	k.settled = u.Settled
	if closed := k.status.kept(u.Upkeep); closed > 0 {
		k.log.Info("closed hours", "hours", closed, "earliest", u.EarliestHour)
	}
	return true
}

// hasten ends a running round soon, because something more urgent needs the output.
func (k *upkeeper[T]) hasten() {
	if k.running {
		k.cancel()
	}
}
