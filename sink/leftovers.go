package sink

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
)

// publishOwn publishes what was committed for lanes that we hold now and not published: by a process that died, or by
// ourselves if a reply was lost. It reports whether nothing is left of that. What was committed for lanes of others it
// publishes after a longer while, since nobody may hold them: that of a retired partition has no owner any more.
func (k *keeper) publishOwn(ctx context.Context, now time.Time) (bool, error) {
	if k.isPublishing() {
		return false, nil // a commit is at it
	}
	var others []uint64
	for _, id := range k.unpublished() {
		e, err := k.pendingEntry(ctx, id)
		if err != nil {
			return false, err
		}
		if k.holds(e) {
			if err := k.publishLeft(ctx, id); err != nil {
				return false, err
			}
		} else {
			others = append(others, id)
		}
	}
	_, err := k.publishOthers(ctx, now, others, othersAfter)
	return err == nil, err
}

// How long the author of an entry has for publication before others do it, at most.
const (
	othersAfter = 5 * time.Minute
	hourAfter   = 10 * time.Second // if an hour waits for it
)

// unpublished are the entries that are neither marked as published nor known by us to be.
func (k *keeper) unpublished() []uint64 {
	k.env.Lock(&k.mu)
	defer k.mu.Unlock()
	k.forgetMarked(k.state.Pending)
	maps.DeleteFunc(k.noticed, func(id uint64, _ time.Time) bool {
		_, pending := k.state.Pending[id]
		return !pending && id != k.state.ClosedEntry
	})
	var ids []uint64
	for id := range k.state.Pending {
		if !k.isPublished(id) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// pendingEntry returns the lanes of an entry that is not marked, reading it only if it was folded before we started.
func (k *keeper) pendingEntry(ctx context.Context, id uint64) ([]string, error) {
	k.env.Lock(&k.mu)
	lanes, known := k.authors[id]
	k.mu.Unlock()
	if known {
		return lanes, nil
	}
	e, _, err := k.folded(ctx, id)
	if err != nil {
		return nil, err
	}
	if e.Commit == nil {
		return nil, notACommit(id)
	}
	lanes = laneNames(e.Commit)
	k.env.Lock(&k.mu)
	defer k.mu.Unlock()
	if _, pending := k.state.Pending[id]; pending {
		k.authors[id] = lanes
	}
	return lanes, nil
}

func notACommit(id uint64) error {
	return &ledger.CorruptError{Object: fmt.Sprintf("entry %d", id), Reason: "it should be a commit"}
}

func laneNames(c *ledger.Commit) []string {
	names := make([]string, len(c.Lanes))
	for i := range c.Lanes {
		names[i] = c.Lanes[i].Lane
	}
	return names
}

// publishLeft publishes an entry unless its manifest says that this was done.
func (k *keeper) publishLeft(ctx context.Context, id uint64) error {
	r, err := k.store.Open(ctx, k.root+ledger.ManifestName(id))
	if err == nil {
		k.markLater(id)
		return r.Close()
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("sink: look for the manifest of entry %d: %w", id, err)
	}
	e, _, err := k.folded(ctx, id)
	if err != nil {
		return err
	}
	if e.Commit == nil {
		return notACommit(id)
	}
	k.log.Info("publishing what a commit left behind", "entry", id)
	return k.publish(ctx, e)
}

// publishOthers publishes entries of lanes that others hold, if nobody does within a while. Their authors are most
// likely at it, so it waits a random while first. It reports whether nothing is left.
func (k *keeper) publishOthers(ctx context.Context, now time.Time, ids []uint64, after time.Duration) (bool, error) {
	all := true
	for _, id := range ids {
		due, noticed := k.noticed[id]
		if !noticed || due.After(now.Add(after)) {
			due = now.Add(k.env.Jitter(after))
			k.noticed[id] = due
		}
		if now.Before(due) {
			all = false
			continue
		}
		if err := k.publishLeft(ctx, id); err != nil {
			return false, err
		}
		delete(k.noticed, id)
	}
	return all, nil
}
