package upkeep

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/internal/journal"
	streamdriver "github.com/onceflow/onceflow/stream/driver"
)

const (
	sweepEvery = time.Hour
	sweepAgain = time.Minute // after one that failed
)

// Sweeper deletes staged files that no entry names or ever can name. Only the goroutine of Maintain uses it.
type Sweeper struct {
	journal   *journal.Journal
	next      time.Time
	fails     int             // since one succeeded
	unswept   error           // why the last one failed
	oldProbes map[string]bool // staged probes that the last one has seen
}

// NewSweeper returns one that sweeps at once.
func NewSweeper(j *journal.Journal) *Sweeper { return &Sweeper{journal: j} }

// Unswept is why the last sweep failed; nil if it did not.
func (s *Sweeper) Unswept() error { return s.unswept }

// IfDue sweeps now and then. Nobody waits for it, so a failure is logged and reported by Unswept, and the sweep is tried
// again: after a minute at first, less often later. It returns only errors that end the job.
func (s *Sweeper) IfDue(ctx context.Context, now time.Time) error {
	if now.Before(s.next) || ctx.Err() != nil {
		return nil //nolint:nilerr // the end of the context is said elsewhere
	}
	err := s.sweep(ctx)
	switch {
	case err == nil:
		s.unswept, s.fails = nil, 0
		s.next = now.Add(s.journal.Objects.Env.Jitter(sweepEvery))
	case errors.Is(err, streamdriver.ErrStop):
		return err
	case ctx.Err() == nil:
		s.unswept = err
		s.fails++
		pause := retry.Pause(sweepAgain, sweepEvery, s.fails)
		s.next = now.Add(pause)
		s.journal.Log.Warn("sweeping failed", "err", err, "again in", pause)
	}
	return nil
}

// sweep uses no clock to decide: see Lanes.Sweepable. The order of its steps matters. It lists staging first and reads the
// ledger afterwards; an entry that names a listed file is in the ledger by then, or never will be. A file that cannot be
// deleted does not stop it; the error is the first one.
func (s *Sweeper) sweep(ctx context.Context) error {
	o := s.journal.Objects
	byOwner := map[string][]driver.Staging{}
	probes := map[string]driver.Staging{}
	for f, err := range o.Store.Staged(ctx) {
		if err != nil {
			return fmt.Errorf("sink: list staged files: %w", err)
		}
		if strings.HasPrefix(f.Key, s.journal.Folder.Probes()) {
			probes[f.Key+" "+f.ID] = f
		} else if strings.HasPrefix(f.Key, s.journal.Folder.Prefix) {
			byOwner[f.Owner] = append(byOwner[f.Owner], f)
		}
	}
	failed := s.sweepProbes(ctx, probes)
	if len(byOwner) == 0 {
		return failed
	}
	if err := s.journal.Read(ctx); err != nil {
		return err
	}
	var found []driver.Staging
	for _, id := range slices.Sorted(maps.Keys(byOwner)) {
		sweepable, err := s.sweepable(ctx, id)
		failed = cmp.Or(failed, err)
		if sweepable {
			found = append(found, byOwner[id]...)
		}
	}
	if len(found) == 0 {
		return failed
	}
	named, err := s.pendingKeys(ctx)
	if err != nil {
		return err
	}
	found = slices.DeleteFunc(found, func(f driver.Staging) bool { return named[f.Key] })
	errs := make([]error, len(found))
	err = o.Env.Each(ctx, len(found), func(ctx context.Context, i int) error {
		s.journal.Log.Info("deleting a staged file that was never committed", "key", found[i].Key, "bytes", found[i].Bytes)
		errs[i] = s.discard(ctx, found[i])
		return ctx.Err()
	})
	return cmp.Or(failed, err, cmp.Or(errs...))
}

func (s *Sweeper) discard(ctx context.Context, f driver.Staging) error {
	if err := s.journal.Objects.Store.Discard(ctx, f); err != nil {
		return fmt.Errorf("sink: discard %s: %w", f.Key, err)
	}
	return nil
}

// sweepProbes deletes probes of processes that died while they tried the store out. It takes only those that the sweep
// before this one saw, since a probe takes a moment. No entry ever names a probe; at worst a process that has just begun
// must begin again.
func (s *Sweeper) sweepProbes(ctx context.Context, now map[string]driver.Staging) (failed error) {
	for _, id := range slices.Sorted(maps.Keys(now)) {
		if s.oldProbes[id] {
			failed = cmp.Or(failed, s.discard(ctx, now[id]))
		}
	}
	s.oldProbes = map[string]bool{}
	for id := range now {
		s.oldProbes[id] = true
	}
	return failed
}

// sweepable reports whether nothing that was staged under an owner can be committed any more. It returns false for an
// unknown owner, which is another job's, or whose object is on its way.
func (s *Sweeper) sweepable(ctx context.Context, id string) (ok bool, err error) {
	if _, ok := ledger.ParseOwnerID(id); !ok {
		return false, nil // another program's upload
	}
	body, err := s.journal.Objects.Store.Read(ctx, s.journal.Objects.Root+ledger.OwnerName(id), ledger.MaxOwner)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("sink: read owner %s: %w", id, err)
	}
	o, err := ledger.DecodeOwner(body)
	if err != nil {
		s.journal.Log.Warn("an owner object cannot be read; its staged files are left alone", "owner", id, "err", err)
		return false, nil
	}
	s.journal.Look(func(state *ledger.State) { ok = state.Lanes.Sweepable(o) })
	return ok, nil
}

// pendingKeys returns the files of entries that are not marked as published.
func (s *Sweeper) pendingKeys(ctx context.Context) (map[string]bool, error) {
	var ids []uint64
	s.journal.Look(func(state *ledger.State) { ids = slices.Sorted(maps.Keys(state.Unpublished)) })
	keys := map[string]bool{}
	for _, id := range ids {
		e, err := s.journal.Commit(ctx, id)
		if err != nil {
			return nil, err
		}
		files, err := s.journal.Objects.Files(ctx, e.Commit)
		if err != nil {
			return nil, err
		}
		for i := range files {
			keys[files[i].Key] = true
		}
	}
	return keys, nil
}
