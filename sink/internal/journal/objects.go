package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink/internal/retry"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// Objects reads the objects of a ledger as they are, without a state. It is immutable.
type Objects struct {
	Store *retry.Store
	Env   *env.Env
	Root  string // of the ledger's objects, with a slash at its end
}

// Entry reads an entry with all that is needed to fold it. The error matches fs.ErrNotExist if there is none.
func (o *Objects) Entry(ctx context.Context, id uint64) (*ledger.Entry, ledger.Hash, error) {
	body, err := o.Store.Read(ctx, o.Root+ledger.EntryName(id), ledger.MaxEntry)
	if err != nil {
		return nil, "", fmt.Errorf("sink: read entry %d: %w", id, err)
	}
	e, err := ledger.Decode(id, body)
	if err != nil {
		return nil, "", err
	}
	if b := e.Detached(); b != nil {
		part, err := o.blob(ctx, b)
		if err != nil {
			return nil, "", err
		}
		if err := e.Attach(part); err != nil {
			return nil, "", err
		}
	}
	return e, ledger.HashOf(body), nil
}

// blob reads a part of an entry. If it is missing the ledger is corrupt, since the part was written first.
func (o *Objects) blob(ctx context.Context, b *ledger.Blob) ([]byte, error) {
	body, err := o.Store.Read(ctx, o.Root+b.Key, ledger.MaxBlob)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &ledger.CorruptError{Object: "blob " + b.Key, Reason: "it is missing"}
	}
	if err != nil {
		return nil, fmt.Errorf("sink: read %s: %w", b.Key, err)
	}
	return body, nil
}

// Files returns the files of a Commit, reading their blob if they are in one.
func (o *Objects) Files(ctx context.Context, c *ledger.Commit) ([]ledger.File, error) {
	if c.FilesBlob == nil || len(c.Files) > 0 {
		return c.Files, nil
	}
	body, err := o.blob(ctx, c.FilesBlob)
	if err != nil {
		return nil, err
	}
	return ledger.DecodeFiles(c.FilesBlob, body)
}

// Published reports whether the manifest of an entry exists, which is created after its files.
func (o *Objects) Published(ctx context.Context, id uint64) (bool, error) {
	there, err := o.Exists(ctx, o.Root+ledger.ManifestName(id))
	if err != nil {
		return false, fmt.Errorf("sink: look for the manifest of entry %d: %w", id, err)
	}
	return there, nil
}

// Exists reports whether there is an object, without reading it.
func (o *Objects) Exists(ctx context.Context, key string) (bool, error) {
	r, err := o.Store.Open(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, r.Close()
}

// firstKey returns the first key with a prefix after after whose rest is one of ours; empty if there is none. What other
// programs put there must not hide it.
func (o *Objects) firstKey(ctx context.Context, prefix, after string, ours func(rest string) bool) (string, error) {
	for object, err := range o.Store.List(ctx, prefix, after) {
		if err != nil {
			return "", fmt.Errorf("sink: list %s: %w", prefix, err)
		}
		if ours(object.Key[len(prefix):]) {
			return object.Key, nil
		}
	}
	return "", nil
}

// FirstEntry is the first entry after after that is there, though one before it may be missing; 0 if there is none.
func (o *Objects) FirstEntry(ctx context.Context, after uint64) (id uint64, err error) {
	_, err = o.firstKey(ctx, o.Root+ledger.EntryPrefix, o.Root+ledger.EntryName(after), func(rest string) bool {
		n, ok := ledger.ParseEntryName(ledger.EntryPrefix + rest)
		if ok {
			id = n
		}
		return ok
	})
	return id, err
}

// PendingSets reads pending sets from blobs. The partitions of one commit share a blob, which is read once.
type PendingSets struct {
	objects *Objects
	read    map[string]*ledger.PendingSets
}

// PendingSets returns a reader of them that has read nothing.
func (o *Objects) PendingSets() *PendingSets {
	return &PendingSets{o, map[string]*ledger.PendingSets{}}
}

// Of returns the pending set of a partition. It reads a whole set and applies the changes of the later blobs.
func (h *PendingSets) Of(ctx context.Context, p record.Partition, st *ledger.Partition) (set driver.PendingSet, err error) {
	for _, b := range st.PendingBlobs {
		sets := h.read[b.Key]
		if sets == nil {
			body, err := h.objects.blob(ctx, b)
			if err != nil {
				return set, err
			}
			if sets, err = ledger.DecodePending(b, body); err != nil {
				return set, err
			}
			h.read[b.Key] = sets
		}
		if set, err = sets.Set(b, set); err != nil {
			return set, err
		}
	}
	if set.Len() != st.PendingLen {
		return set, &ledger.CorruptError{Object: "pending set of " + p.String(), Reason: fmt.Sprintf("it has %d positions, want %d", set.Len(), st.PendingLen)}
	}
	return set, nil
}

// Merged reads the merge record of a unit; nil if there is none.
func (o *Objects) Merged(ctx context.Context, u ledger.Unit) (*ledger.Merged, error) {
	body, err := o.Store.Read(ctx, o.Root+u.Name(), ledger.MaxMerge)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("sink: read %s: %w", u.Name(), err)
	}
	return ledger.DecodeMerged(u, body)
}
