package sink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"

	"github.com/onceflow/onceflow/internal/ledger"
)

// Committed yields the transactions of a job behind an entry, in their order, each once all of its files are visible,
// and waits for more until ctx is done; then it ends without an error. It is the way to see all flows of a transaction or
// none: remember Manifest.Entry together with what you made of it, and go on behind that. after 0 begins with the first.
//
// An error ends it; what was yielded before is right. Transactions that only moved clocks have no manifest and are left
// out. One without files tells what became of its records, so Read and Counts of all add up to what the job has read. A
// job that has not begun is waited for, so a wrong name of a job waits for ever; Inspect tells.
func Committed(ctx context.Context, store Store, job string, after uint64, opts *ReadOptions) iter.Seq2[Manifest, error] {
	return func(yield func(Manifest, error) bool) {
		k, err := openReader(ctx, store, job, opts)
		begun := false
		if err == nil {
			begun, err = k.awaitBegun(ctx, opts)
		}
		if err != nil {
			yield(Manifest{}, err)
			return
		}
		if !begun {
			return
		}
		var before ledger.Hash // of the entry before; empty at first
		for id := after + 1; ; id++ {
			m, hash, err := k.nextManifest(ctx, id, before, opts)
			if err != nil {
				yield(Manifest{}, err)
				return
			}
			if hash == "" {
				return
			}
			before = hash
			if m != nil && !yield(*m, nil) {
				return
			}
		}
	}
}

// nextManifest waits for an entry, and for its manifest if it gets one, else m is nil. An empty hash is the end.
func (k *keeper) nextManifest(ctx context.Context, id uint64, before ledger.Hash, opts *ReadOptions) (m *Manifest, hash ledger.Hash, err error) {
	var e *ledger.Entry
	found, err := k.await(ctx, opts, func() (bool, error) {
		e, hash, err = k.entry(ctx, id)
		return foundIt(err)
	})
	if err != nil || !found {
		return nil, "", err
	}
	if before != "" && e.Prev != before {
		return nil, "", &ledger.CorruptError{Object: fmt.Sprintf("entry %d", id), Reason: "the entry before it has another hash"}
	}
	if e.Commit == nil || !e.Commit.HasManifest() {
		return nil, hash, nil
	}
	key := k.root + ledger.ManifestName(id)
	var body []byte
	found, err = k.await(ctx, opts, func() (bool, error) {
		body, err = k.store.Read(ctx, key, MaxManifest)
		return foundIt(err)
	})
	if err != nil || !found {
		return nil, "", err
	}
	m = new(Manifest)
	if err := decodeJSON(key, body, &m.Format, m); err != nil {
		return nil, "", err
	}
	if m.Entry != id {
		return nil, "", &ledger.CorruptError{Object: key, Reason: fmt.Sprintf("it is of entry %d", m.Entry)}
	}
	return m, hash, nil
}

func foundIt(err error) (bool, error) {
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// decodeJSON reads a manifest. Fields that are not known are those of a newer version that can be read.
func decodeJSON(key string, body []byte, format *int, v any) error {
	if err := json.Unmarshal(body, v); err != nil {
		return &ledger.CorruptError{Object: key, Reason: err.Error()}
	}
	if *format < 1 {
		return &ledger.CorruptError{Object: key, Reason: fmt.Sprintf("format %d", *format)}
	}
	if *format > FormatVersion {
		return &ledger.VersionError{Object: key, Format: *format, MinReader: *format}
	}
	return nil
}
