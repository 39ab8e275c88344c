package kinesis

import (
	"context"
	"slices"
	"time"
)

// assigner decides which lanes this process reads, among the processes of a job. It is advice. If two processes read one
// lane, one of them does void work, since the ledger lets one commit. So an assigner may be late or wrong for a while, but
// it must not leave a lane without a reader for ever.
//
// One goroutine each calls SetLanes, Next and Release; they may run beside each other.
type assigner interface {
	// SetLanes gives the lanes that the job has now, sorted, each once. They are to be shared among the processes. It is
	// called at the start and whenever shards split, merge or expire. A lane that is missing needs no reader any more.
	// Processes learn of a change at different times, so one may know a lane that another does not. kept are new lanes that
	// this process already reads, because they were part of a lane that is no longer in the list. It should go on with
	// them, and the next Next returns them. SetLanes must not block for I/O and must not keep the slices.
	SetLanes(lanes, kept []string)

	// Next blocks until the lanes that this process should read differ from what its last call returned; the first call
	// compares with none. It returns all of them, sorted. The process gives up the lanes that are missing: it commits what
	// it has, by the deadline if that is not zero, and calls Release. It does so, too, for a lane that was lost to another
	// process. It ignores lanes that SetLanes did not name.
	//
	// An error stops the job, unless ctx is done: what may pass is retried inside.
	Next(ctx context.Context) (lanes []string, deadline time.Time, err error)

	// Release says that this process has given lane up. Its work is committed or void, and another process may begin. It
	// must not block for I/O.
	Release(lane string)

	// Close gives all lanes up, so that others can begin at once, and ends the goroutines. The last commit is over by then.
	Close() error
}

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
