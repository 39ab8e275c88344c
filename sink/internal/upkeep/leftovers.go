package upkeep

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink/internal/journal"
)

// How long the author of an entry has for publication before others do it, at most.
const (
	othersAfter = 5 * time.Minute
	overAfter   = 2 * time.Second  // if its lanes are over
	HourAfter   = 10 * time.Second // if an hour waits for it
)

// Leftovers publishes what others, or a process that died, have committed and not published. Only the goroutine of Maintain
// uses it.
type Leftovers struct {
	journal   *journal.Journal
	publisher *Publisher
	holds     func(lanes []string) bool
	noticed   map[uint64]time.Time // entries of others that lack something, and when we do it for them
}

// NewLeftovers returns a Leftovers that has noticed nothing. holds reports whether we own one of some lanes.
func NewLeftovers(j *journal.Journal, p *Publisher, holds func(lanes []string) bool) *Leftovers {
	return &Leftovers{j, p, holds, map[uint64]time.Time{}}
}

// Own publishes unpublished entries of lanes that we own now: a process died, or a reply to us was lost. It reports whether
// none of these is left, nor of lanes that are over, which nobody may ever own again: these it publishes after a short
// while, in which their authors may do it. After a longer one it also publishes entries of all other lanes.
func (l *Leftovers) Own(ctx context.Context, now time.Time) (bool, error) {
	if l.publisher.commits(0) > 0 {
		return false, nil // a commit is at it
	}
	var ids, over, others []uint64
	l.journal.Look(func(s *ledger.State) {
		l.publisher.forgetMarked(s.Unpublished)
		ids = slices.Sorted(maps.Keys(l.publisher.Unpublished(s.Unpublished)))
		maps.DeleteFunc(l.noticed, func(id uint64, _ time.Time) bool {
			_, unpublished := s.Unpublished[id]
			return !unpublished && id != s.Hours.ClosedEntry
		})
	})
	for _, id := range ids {
		lanes, err := l.journal.LanesOf(ctx, id)
		if err != nil {
			return false, err
		}
		ours, spent := l.holds(lanes), false
		l.journal.Look(func(s *ledger.State) { spent = s.Lanes.AllOver(lanes) })
		switch {
		case !ours && spent:
			over = append(over, id)
		case !ours:
			others = append(others, id)
		default:
			if err := l.publish(ctx, id); err != nil {
				return false, err
			}
		}
	}
	done, err := l.Others(ctx, now, over, overAfter)
	if err == nil {
		_, err = l.Others(ctx, now, others, othersAfter)
	}
	return done && err == nil, err
}

// publish publishes an entry unless its manifest exists.
func (l *Leftovers) publish(ctx context.Context, id uint64) error {
	there, err := l.journal.Objects.Published(ctx, id)
	if there {
		l.publisher.markLater(id)
	}
	if there || err != nil {
		return err
	}
	e, err := l.journal.Commit(ctx, id)
	if err != nil {
		return err
	}
	l.journal.Log.Info("publishing what a commit left behind", "entry", id)
	return l.publisher.Publish(ctx, e)
}

// Others publishes entries of lanes that others own, if nobody else does in time. Their authors are most likely at it, so
// it first waits for a random while. It reports whether nothing is left.
func (l *Leftovers) Others(ctx context.Context, now time.Time, ids []uint64, after time.Duration) (bool, error) {
	all := true
	for _, id := range ids {
		if !l.Due(id, now, after) {
			all = false
			continue
		}
		if err := l.publish(ctx, id); err != nil {
			return false, err
		}
		l.Done(id)
	}
	return all, nil
}

// Due reports whether it is time to complete another author's entry: a random while, at most after, has passed since we
// noticed that something is missing.
func (l *Leftovers) Due(id uint64, now time.Time, after time.Duration) bool {
	due, noticed := l.noticed[id]
	if !noticed || due.After(now.Add(after)) {
		due = now.Add(l.journal.Objects.Env.Jitter(after))
		l.noticed[id] = due
	}
	return !now.Before(due)
}

// Done forgets that an entry lacked something.
func (l *Leftovers) Done(id uint64) { delete(l.noticed, id) }
