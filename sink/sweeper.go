package sink

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
	storage "github.com/onceflow/onceflow/sink/driver"
)

// sweep deletes staged files that no entry names and none ever can. No clock decides that: see State.Sweepable. The order
// of its steps matters: an entry that names one of the files listed first was written before the ledger is read, or never
// will be. One file that cannot be deleted does not keep the others; the error is the first.
func (k *keeper) sweep(ctx context.Context) error {
	byOwner := map[string][]storage.Staging{}
	probes := map[string]storage.Staging{}
	for s, err := range k.store.Staged(ctx) {
		if err != nil {
			return fmt.Errorf("sink: list staged files: %w", err)
		}
		if strings.HasPrefix(s.Key, k.probeFolder()) {
			probes[s.Key+" "+s.ID] = s
		} else if strings.HasPrefix(s.Key, k.opts.Prefix) {
			byOwner[s.Owner] = append(byOwner[s.Owner], s)
		}
	}
	failed := k.sweepProbes(ctx, probes)
	if len(byOwner) == 0 {
		return failed
	}
	if err := k.read(ctx); err != nil {
		return err
	}
	var found []storage.Staging
	for _, id := range slices.Sorted(maps.Keys(byOwner)) {
		sweepable, err := k.sweepable(ctx, id)
		failed = cmp.Or(failed, err)
		if sweepable {
			found = append(found, byOwner[id]...)
		}
	}
	if len(found) == 0 {
		return failed
	}
	named, err := k.pendingKeys(ctx)
	if err != nil {
		return err
	}
	found = slices.DeleteFunc(found, func(s storage.Staging) bool { return named[s.Key] })
	errs := make([]error, len(found))
	err = k.env.Each(ctx, len(found), func(ctx context.Context, i int) error {
		k.log.Info("deleting a staged file that was never committed", "key", found[i].Key, "bytes", found[i].Bytes)
		if err := k.store.Discard(ctx, found[i]); err != nil {
			errs[i] = fmt.Errorf("sink: discard %s: %w", found[i].Key, err)
		}
		return ctx.Err()
	})
	return cmp.Or(failed, err, cmp.Or(errs...))
}

// sweepProbes deletes what a process has staged that died while it tried the store out, and that the sweep before this
// one has seen: a probe takes a moment. No entry ever names one; at worst a process that has just begun must begin again.
func (k *keeper) sweepProbes(ctx context.Context, now map[string]storage.Staging) (failed error) {
	for _, id := range slices.Sorted(maps.Keys(now)) {
		if !k.oldProbes[id] {
			continue
		}
		if err := k.store.Discard(ctx, now[id]); err != nil {
			failed = cmp.Or(failed, fmt.Errorf("sink: discard %s: %w", now[id].Key, err))
		}
	}
	k.oldProbes = map[string]bool{}
	for id := range now {
		k.oldProbes[id] = true
	}
	return failed
}

// sweepable reports whether nothing that was staged under an owner can be committed any more. An owner that is not known
// here is another job's, or its object is on its way.
func (k *keeper) sweepable(ctx context.Context, id string) (bool, error) {
	if storage.CheckOwner(id) != nil {
		return false, nil
	}
	body, err := k.store.Read(ctx, k.root+ledger.OwnerName(id), ledger.MaxOwner)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("sink: read owner %s: %w", id, err)
	}
	o, err := ledger.DecodeOwner(body)
	if err != nil {
		k.log.Warn("an owner object cannot be read; its staged files are left alone", "owner", id, "err", err)
		return false, nil
	}
	k.env.Lock(&k.mu)
	defer k.mu.Unlock()
	return k.state.Sweepable(o), nil
}

// pendingKeys are the files of entries that are not marked as published.
func (k *keeper) pendingKeys(ctx context.Context) (map[string]bool, error) {
	k.env.Lock(&k.mu)
	ids := slices.Sorted(maps.Keys(k.state.Pending))
	k.mu.Unlock()
	keys := map[string]bool{}
	for _, id := range ids {
		e, _, err := k.folded(ctx, id)
		if err != nil {
			return nil, err
		}
		if e.Commit == nil {
			return nil, notACommit(id)
		}
		files, err := k.files(ctx, e.Commit)
		if err != nil {
			return nil, err
		}
		for i := range files {
			keys[files[i].Key] = true
		}
	}
	return keys, nil
}
