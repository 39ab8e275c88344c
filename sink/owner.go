package sink

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"github.com/onceflow/onceflow/internal/ledger"
)

// ownerID returns the ID of the object that lists the lanes held now, with their adoptions. The first file that is staged
// after an adoption writes it, so a run that has nothing to write leaves nothing behind. A file may get rows of lanes that
// are adopted after it was begun: it goes with the lanes that had rows in it first, whose transaction is the same.
func (k *keeper) ownerID(ctx context.Context) (string, error) {
	if id := k.owner.Load(); id != nil {
		return *id, nil
	}
	k.env.Lock(&k.ownerMu)
	defer k.ownerMu.Unlock()
	for {
		if id := k.owner.Load(); id != nil {
			return *id, nil
		}
		k.lanesMu.Lock()
		lanes, adoptions := maps.Clone(k.lanes), k.adoptions
		k.lanesMu.Unlock()
		id, err := k.writeOwner(ctx, lanes)
		if err != nil {
			return "", err
		}
		k.lanesMu.Lock()
		if adoptions == k.adoptions { // else lanes were adopted meanwhile
			k.owner.Store(&id)
		}
		k.lanesMu.Unlock()
	}
}

func (k *keeper) writeOwner(ctx context.Context, lanes map[string]*held) (string, error) {
	o := &ledger.Owner{Lanes: make([]ledger.OwnerLane, 0, len(lanes))}
	give := slices.ContainsFunc(slices.Collect(maps.Values(lanes)), func(h *held) bool { return !h.over })
	for _, name := range slices.Sorted(maps.Keys(lanes)) {
		h := lanes[name]
		if h.over && give {
			continue // nothing of it is ever staged; once it is forgotten, nobody could tell that any more
		}
		o.Lanes = append(o.Lanes, ledger.OwnerLane{
			Lane: name, Token: h.token, Index: h.index, From: slices.Sorted(maps.Keys(h.from)), Parts: h.adopted,
			Since: h.since(),
		})
	}
	body, err := o.Encode()
	if err != nil {
		return "", err
	}
	for {
		id := ledger.OwnerID(o.Index(), k.env.Rand())
		err := k.insist(ctx, "create an owner object", func(ctx context.Context) error {
			return k.store.Create(ctx, k.root+ledger.OwnerName(id), body)
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
