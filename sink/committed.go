package sink

import (
	"context"
	"fmt"
	"iter"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink/manifest"
)

// Committed yields the transactions of a job after an entry, in their order, each once all of its files are visible. It
// waits for more until ctx is done; then it ends without an error. With it a reader sees all flows of a transaction or
// none: store manifest.Entry together with what you made of it, and pass it as after the next time. after 0 begins with the
// first.
//
// An error ends it; what was yielded before is right. Transactions that only moved clocks have no manifest and are left
// out. Transactions without files are yielded, so Read and Counts of all add up to what the job has read. It also waits for
// a job that has not begun, so it waits for ever for a wrong name; Inspect tells.
func Committed(ctx context.Context, store Store, job string, after uint64, opts *ReadOptions) iter.Seq2[manifest.Transaction, error] {
	return func(yield func(manifest.Transaction, error) bool) {
		r, err := newReader(ctx, store, job, opts)
		begun := false
		if err == nil {
			begun, err = r.begun(ctx)
		}
		if err != nil {
			yield(manifest.Transaction{}, err)
			return
		}
		if !begun {
			return
		}
		var before ledger.Hash // of the entry before; empty at first
		for id := after + 1; ; id++ {
			m, hash, err := r.transaction(ctx, id, before)
			if err != nil {
				yield(manifest.Transaction{}, err)
				return
			}
			if hash == "" {
				return
			}
			before = hash
			if r.seen != nil {
				r.seen(id)
			}
			if m != nil && !yield(*m, nil) {
				return
			}
		}
	}
}

// transaction waits for an entry, and for its manifest if it gets one; else m is nil. An empty hash is the end.
func (r *reader) transaction(ctx context.Context, id uint64, before ledger.Hash) (m *manifest.Transaction, hash ledger.Hash, err error) {
	o := r.folder.Objects
	var e *ledger.Entry
	found, err := r.await(ctx, func() error {
		e, hash, err = o.Entry(ctx, id)
		return err
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
	found, err = r.await(ctx, func() error {
		m, err = o.Manifest(ctx, id)
		return err
	})
	if err != nil || !found {
		return nil, "", err
	}
	return m, hash, nil
}
