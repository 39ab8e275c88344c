package txn

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink/internal/journal"
	"github.com/onceflow/onceflow/sink/internal/retry"
)

// owner is the object that lists the lanes owned now, with their acquisitions. It is safe for concurrent use.
type owner struct {
	journal *journal.Journal

	id atomic.Pointer[string] // nil before it is written, and once it is out of date
	mu sync.Mutex             // held while it is written
}

// Owner returns the ID of the object that lists the lanes owned now, with their acquisitions. The first file that is staged
// after an acquisition writes it, so a run without output leaves nothing behind. Lanes acquired later may add rows to an
// open file. The owner object does not list them, and need not: all rows of a file commit in one transaction, so the listed
// lanes decide its fate.
func (l *Lanes) Owner(ctx context.Context) (string, error) {
	o := l.owner
	if id := o.id.Load(); id != nil {
		return *id, nil
	}
	o.journal.Objects.Env.Lock(&o.mu)
	defer o.mu.Unlock()
	for {
		if id := o.id.Load(); id != nil {
			return *id, nil
		}
		lanes, acquisitions := l.all()
		id, err := o.write(ctx, lanes)
		if err != nil {
			return "", err
		}
		l.mu.Lock()
		if acquisitions == l.acquisitions { // else lanes were acquired meanwhile
			o.id.Store(&id)
		}
		l.mu.Unlock()
	}
}

// write writes an object that lists lanes.
func (o *owner) write(ctx context.Context, lanes map[string]*owned) (string, error) {
	list := &ledger.Owner{Lanes: make([]ledger.OwnerLane, 0, len(lanes)), By: o.journal.By}
	give := slices.ContainsFunc(slices.Collect(maps.Values(lanes)), func(h *owned) bool { return !h.over })
	for _, name := range slices.Sorted(maps.Keys(lanes)) {
		h := lanes[name]
		if h.over && give {
			continue // nothing of it is ever staged; once it is forgotten, nobody could tell that any more
		}
		list.Lanes = append(list.Lanes, ledger.OwnerLane{
			Lane: name, Token: h.token, Index: h.index, From: slices.Sorted(maps.Keys(h.from)), Parts: h.acquired,
			Since: h.since(),
		})
	}
	body, err := list.Encode()
	if err != nil {
		return "", err
	}
	at := o.journal.Objects
	for {
		id := ledger.OwnerID(list.Index(), at.Env.Rand())
		err := retry.Insist(ctx, at.Env, o.journal.Log, "create an owner object", func(ctx context.Context) error {
			return at.Store.Create(ctx, at.Root+ledger.OwnerName(id), body)
		})
		switch {
		case err == nil:
			return id, nil
		case !errors.Is(err, fs.ErrExist):
			return "", fmt.Errorf("sink: create the owner object: %w", err)
		}
		// Another's, or ours by a request whose reply was lost: a name costs nothing.
	}
}
