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

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/internal/journal"
)

// Sweeper deletes staged files that no entry and no merge record names or ever can name. Only the goroutine of Maintain uses
// it.
type Sweeper struct {
	chore
	merging   func(context.Context) (map[string]ledger.Unit, error)
	oldProbes map[string]bool // staged probes that the last one has seen
}

// NewSweeper returns one that sweeps at once.
func NewSweeper(j *journal.Journal) *Sweeper {
	s := &Sweeper{}
	s.chore = chore{what: "sweeping", journal: j, do: s.sweep}
	return s
}

// Merging sets what tells the units that are not known to be done, by their owners. Without it what is staged for a merge is
// left to others.
func (s *Sweeper) Merging(units func(context.Context) (map[string]ledger.Unit, error)) {
	s.merging = units
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
	found, err := s.ofMerges(ctx, byOwner)
	failed = cmp.Or(failed, err)
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
		s.journal.Log.Info("deleting a staged file that no entry names", "key", found[i].Key, "bytes", found[i].Bytes)
		errs[i] = s.discard(ctx, found[i])
		return ctx.Err()
	})
	return cmp.Or(failed, err, cmp.Or(errs...))
}

// ofMerges takes what is staged for merges out of byOwner, and returns what no record names or ever can name: it is of a unit
// whose record names other files, or of an hour that is sealed. So is that of a unit that is not of the last Close, since
// staging was listed before the ledger was read.
func (s *Sweeper) ofMerges(ctx context.Context, byOwner map[string][]driver.Staging) (found []driver.Staging, failed error) {
	root := s.journal.Objects.Root
	ours := map[string][]driver.Staging{}
	for owner, list := range byOwner {
		if strings.HasPrefix(owner, ledger.MergeOwners(root)) {
			ours[owner] = list
			delete(byOwner, owner)
		}
	}
	if len(ours) == 0 || s.merging == nil {
		return nil, nil
	}
	units, err := s.merging(ctx)
	if err != nil {
		return nil, err
	}
	for _, owner := range slices.Sorted(maps.Keys(ours)) {
		u, open := units[owner]
		if !open {
			found = append(found, ours[owner]...)
			continue
		}
		r, err := s.journal.Objects.Merged(ctx, u)
		if failed = cmp.Or(failed, err); r == nil {
			continue
		}
		for _, f := range ours[owner] {
			if !slices.ContainsFunc(r.Files, func(m ledger.MergedFile) bool { return m.Key == f.Key }) {
				found = append(found, f)
			}
		}
	}
	return found, failed
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
