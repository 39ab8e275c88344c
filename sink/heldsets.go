package sink

import (
	"context"
	"fmt"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// heldSets reads held sets that are in blobs. The partitions of one commit share a blob, which is read once.
type heldSets struct {
	d    *journal
	read map[string]*ledger.HeldSets
}

func (d *journal) heldSets() *heldSets { return &heldSets{d, map[string]*ledger.HeldSets{}} }

// of returns what a partition holds: a whole set, and what the blobs behind it say has changed.
func (h *heldSets) of(ctx context.Context, p record.Partition, st *ledger.Partition) (set driver.HeldSet, err error) {
	for _, b := range st.HeldBlobs {
		sets := h.read[b.Key]
		if sets == nil {
			body, err := h.d.blob(ctx, b)
			if err != nil {
				return set, err
			}
			if sets, err = ledger.DecodeHeld(b, body); err != nil {
				return set, err
			}
			h.read[b.Key] = sets
		}
		if set, err = sets.Set(b, set); err != nil {
			return set, err
		}
	}
	if set.Len() != st.HeldLen {
		return set, &ledger.CorruptError{Object: "held set of " + p.String(), Reason: fmt.Sprintf("it has %d positions, want %d", set.Len(), st.HeldLen)}
	}
	return set, nil
}
