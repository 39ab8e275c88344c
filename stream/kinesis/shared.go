package kinesis

import (
	"context"
	"slices"
	"time"
)

// shared is the assigner without leases. This process reads all lanes, or those that come from a fixed list of shards.
type shared struct {
	roots  []string                  // nil: all
	parent func(shard string) string // empty for a shard that came from none
	lanes  chan []string             // the newest list that Next has not seen
	last   []string
	begun  bool
}

func newShared(roots []string, parent func(string) string) *shared {
	return &shared{roots: roots, parent: parent, lanes: make(chan []string, 1)}
}

// SetLanes keeps those of the list that are ours.
func (a *shared) SetLanes(lanes, _ []string) {
	var mine []string
	for _, l := range lanes {
		if a.mine(l) {
			mine = append(mine, l)
		}
	}
	select {
	case <-a.lanes: // nobody has seen it
	default:
	}
	a.lanes <- mine
}

// mine reports whether a shard is one of the roots or descends from one through first parents.
func (a *shared) mine(id string) bool {
	if a.roots == nil {
		return true
	}
	for ; id != ""; id = a.parent(id) {
		if slices.Contains(a.roots, id) {
			return true
		}
	}
	return false
}

// Next returns what SetLanes was told, when that changes.
func (a *shared) Next(ctx context.Context) ([]string, time.Time, error) {
	for {
		select {
		case lanes := <-a.lanes:
			if !a.begun || !slices.Equal(lanes, a.last) {
				a.begun, a.last = true, lanes
				return slices.Clone(lanes), time.Time{}, nil
			}
		case <-ctx.Done():
			return nil, time.Time{}, ctx.Err()
		}
	}
}

// Release has nothing to do: nobody waits for the lane.
func (a *shared) Release(string) {}

// Close has nothing to do.
func (a *shared) Close() error { return nil }
