package sink

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"sync"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/internal/tail"
	"github.com/onceflow/onceflow/sink/manifest"
	"github.com/onceflow/onceflow/stream/driver"
)

// Committed yields the transactions of a job after an entry, in their order, each once all of its files are visible. It
// waits for more until ctx is done; then it ends without an error. With it a reader sees all flows of a transaction or
// none: store manifest.Entry together with what you made of it, and pass it as after the next time. after 0 begins with the
// first.
//
// An error ends it; what was yielded before is right. It is a *PositionError if the ledger has no entry after yet, and a
// *LostError if the entry behind after is gone. Transactions that only moved clocks have no manifest and are left
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
		missing := sync.OnceValue(func() error { return r.placed(ctx, after) })
		for id := after + 1; ; id++ {
			m, hash, err := r.transaction(ctx, id, before, missing)
			if err != nil {
				yield(manifest.Transaction{}, err)
				return
			}
			if hash == "" {
				return
			}
			before, missing = hash, nil
			if r.seen != nil {
				r.seen(id)
			}
			if m != nil && !yield(*m, nil) {
				return
			}
		}
	}
}

// transaction waits for an entry, and for its manifest if it gets one; else m is nil. An empty hash is the end. missing, unless it is
// nil, tells why it is no use to wait for an entry that is not there.
func (r *reader) transaction(ctx context.Context, id uint64, before ledger.Hash, missing func() error) (m *manifest.Transaction, hash ledger.Hash, err error) {
	o := r.folder.Objects
	var e *ledger.Entry
	found, err := r.await(ctx, func() error {
		e, hash, err = o.Entry(ctx, id)
		if missing != nil && errors.Is(err, fs.ErrNotExist) {
			err = cmp.Or(missing(), err)
		}
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

// PositionError says that a reader is to go on behind an entry that the ledger does not have. It matches stream.ErrStop.
type PositionError struct {
	Job         string
	After, Last uint64 // the position, and the last entry of the ledger
}

func (e *PositionError) Error() string {
	return fmt.Sprintf("sink: the position %d is ahead of the ledger of job %q, whose last entry is %d: the job was begun anew, or the bucket "+
		"is another one, or it was set back to an older copy. Bring back what the bucket has lost; else begin at 0, with an empty target",
		e.After, e.Job, e.Last)
}

// Is reports whether target is stream.ErrStop.
func (e *PositionError) Is(target error) bool { return target == driver.ErrStop }

// placed says why there never is an entry behind after, which was missing; nil if it is only not there yet.
func (r *reader) placed(ctx context.Context, after uint64) error {
	o := r.folder.Objects
	next, err := o.FirstEntry(ctx, after)
	switch {
	case err != nil:
		return err
	case next > after+1:
		return &LostError{Job: r.folder.Job, Found: o.Root + ledger.EntryName(next), Missing: fmt.Sprintf("entry %d", after+1)}
	case next > 0 || after == 0:
		return nil
	}
	if there, err := o.Exists(ctx, o.Root+ledger.EntryName(after)); there || err != nil {
		return err
	}
	last, err := tail.Find(after, func(n uint64) (bool, error) { return o.Exists(ctx, o.Root+ledger.EntryName(n)) })
	if err != nil {
		return err
	}
	return &PositionError{Job: r.folder.Job, After: after, Last: last}
}
