package sink

import (
	"context"

	"github.com/onceflow/onceflow/internal/mutant"
	"github.com/onceflow/onceflow/stream"
)

// The planted mistakes that need more than a line. See internal/mutant: without it none of this does anything.

type lister = func(context.Context) ([]stream.Partition, error)

// mistaken asks for partitions from a cache (T14b), or before the store's clock is read (T30a).
func (k *keeper) mistaken(ctx context.Context, list lister) lister {
	switch {
	case mutant.On("T14b"):
		if k.cached == nil {
			k.cached, _ = list(ctx)
		}
		return func(context.Context) ([]stream.Partition, error) { return k.cached, nil }
	case mutant.On("T30a"):
		parts, err := list(ctx)
		return func(context.Context) ([]stream.Partition, error) { return parts, err }
	}
	return list
}

// adoptMistaken keeps the token of an earlier adoption (T27a), or the progress that void work was based on (T37).
func (k *keeper) adoptMistaken(lane string, h *held) {
	old := k.lanes[lane]
	switch {
	case old == nil:
	case mutant.On("T27a"):
		h.token = old.token
	case mutant.On("T37"):
		h.parts, h.low = old.parts, old.low
	}
}

// baseHeld is the held set that a commit's own builds on; by the mistake T65 another one.
func baseHeld(base stream.HeldSet) stream.HeldSet {
	if mutant.On("T65") && base.Len() > 1 {
		base.Ordinals = base.Ordinals[:base.Len()-1]
	}
	return base
}
