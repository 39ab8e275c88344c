package sink

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
	storage "github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/stream/driver"
)

// upkeep is what a keeper remembers of publication and seals between its own entries. None of it is needed to be right:
// what is forgotten in a crash is found out again.
type upkeep struct {
	upMu       sync.Mutex
	published  map[uint64]bool // entries whose files and manifest we know to be in place, and that are not marked
	sealed     time.Time       // end of the last hour whose seal objects we know to exist
	publishing int             // commits that are appending or publishing

	// Only maintain, which one goroutine at a time calls, uses what follows.
	last                driver.Upkeep
	closedHours         int64
	unclosed            error // why no hour closes until a person does something
	nextRead, nextSweep time.Time
	unswept             error                // why the last sweep failed
	sweepFails          int                  // how often it did since one succeeded
	oldProbes           map[string]bool      // staged probes that the last sweep has seen
	noticed             map[uint64]time.Time // entries of others that lack something, and when we do it for them
	forgetter           forgetter
}

// publish makes the files of a committed entry visible and then creates its manifest, which is the last step. Anybody may
// do it, any number of times.
func (k *keeper) publish(ctx context.Context, e *ledger.Entry) error {
	if !e.Commit.HasManifest() {
		return nil
	}
	files, err := k.files(ctx, e.Commit)
	if err != nil {
		return err
	}
	lost := make([]error, len(files))
	err = k.env.Wide().Each(ctx, len(files), func(ctx context.Context, i int) error {
		return k.insist(ctx, "publish "+files[i].Key, func(ctx context.Context) error {
			err := k.store.Publish(ctx, files[i].Ref)
			if errors.Is(err, storage.ErrStagingLost) {
				lost[i] = err // the others are published all the same, and all that are lost are told at once
				return nil
			}
			if err != nil {
				return fmt.Errorf("sink: publish %s of entry %d: %w", files[i].Key, e.ID, err)
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	gone := &LostFileError{Entry: e.ID, Of: len(files)}
	for i, err := range lost {
		if err == nil {
			continue
		}
		if gone.Files = append(gone.Files, files[i]); gone.Err == nil {
			gone.Err = err
		}
	}
	if len(gone.Files) > 0 {
		return gone
	}
	body, err := k.manifest(e, files)
	if err != nil {
		return err
	}
	err = k.insist(ctx, "create a manifest", func(ctx context.Context) error {
		err := k.store.Create(ctx, k.root+ledger.ManifestName(e.ID), body)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("sink: create the manifest of entry %d: %w", e.ID, err)
		}
		return nil
	})
	if err == nil {
		k.markLater(e.ID)
	}
	return err
}

// markLater notes that an entry is published, for the next entry that can say so.
func (k *keeper) markLater(id uint64) {
	k.upMu.Lock()
	defer k.upMu.Unlock()
	k.published[id] = true
}

// marks are the entries to mark as published. Those that are marked already Prepare takes out.
func (k *keeper) marks() []uint64 {
	k.upMu.Lock()
	defer k.upMu.Unlock()
	return slices.Sorted(maps.Keys(k.published))
}

// sealedMark is Entry.Sealed for the next entry.
func (k *keeper) sealedMark() time.Time {
	k.upMu.Lock()
	defer k.upMu.Unlock()
	return k.sealed
}

// forgetMarked forgets what pending no longer has: it is marked in the ledger.
func (k *keeper) forgetMarked(pending map[uint64]ledger.Pending) {
	k.upMu.Lock()
	defer k.upMu.Unlock()
	maps.DeleteFunc(k.published, func(id uint64, _ bool) bool {
		_, waits := pending[id]
		return !waits
	})
}

// startPublishing keeps Maintain from publishing what a commit is about to publish itself.
func (k *keeper) startPublishing() {
	k.upMu.Lock()
	defer k.upMu.Unlock()
	k.publishing++
}

func (k *keeper) stopPublishing() {
	k.upMu.Lock()
	defer k.upMu.Unlock()
	k.publishing--
}

func (k *keeper) isPublished(id uint64) bool {
	k.upMu.Lock()
	defer k.upMu.Unlock()
	return k.published[id]
}

func (k *keeper) isPublishing() bool {
	k.upMu.Lock()
	defer k.upMu.Unlock()
	return k.publishing > 0
}
