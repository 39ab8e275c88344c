package sink

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink/internal/retry"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// keeper is all of a Sink that does not know the type of its events: the ledger, the lanes that are held, and what has to
// be published, closed and swept. It is safe for concurrent use.
type keeper struct {
	*journal
	opts Options
	job  string

	mayEnd func() bool  // driver.Job.MayEnd
	seal   *SealOptions // nil: hours are not closed

	budget *driver.Budget
	clock  clock

	flowNames []string // sorted
	claimed   []bool   // by flow: its claim is there, and ours
	mayClose  bool     // our topics are those of the ledger's last Config

	owner    atomic.Pointer[string] // ID of the object that lists the lanes held now; nil before it is written
	ownerMu  sync.Mutex             // held while it is written
	sequence atomic.Uint64          // of transactions

	lanesMu   sync.Mutex
	lanes     map[string]*held
	adoptions int // so far
	batches   int // of adoptions; guarded by mu

	upkeep
}

// held is a lane that this instance holds. It is immutable, and replaced when one of our own commits succeeds, never
// because of entries of others: what they commit makes our next commit void, which is how we notice.
type held struct {
	carriedLane
	version uint64 // the entry that touched it last, as far as we know; 0 if none did
	adopted int    // how many partitions it had when it was adopted
	over    bool   // all of its partitions had ended then, and held nothing
	batch   int    // lanes that were adopted together have the same

	// from are the lanes, with their versions, that the ledger has partitions of this one in. The commit that moves them
	// touches those lanes too, so that work there which is not committed yet is void. Nil once they are moved.
	from  map[string]uint64
	moved map[record.Partition]bool
}

// adopt takes lanes over: see driver.Output.
func (k *keeper) adopt(ctx context.Context, lanes []driver.Assignment) (map[record.Partition]driver.Progress, error) {
	k.env.Lock(&k.mu)
	defer k.mu.Unlock()
	if err := k.tail(ctx); err != nil {
		return nil, err
	}
	k.batches++
	sets := k.heldSets()
	fresh := make(map[string]*held, len(lanes))
	all := map[record.Partition]driver.Progress{}
	for _, a := range lanes {
		h := &held{carriedLane: carriedLane{
			token: newToken(k.env), index: k.state.Last + 1, low: k.state.Low(a.Lane, a.Partitions),
			parts: make(map[record.Partition]driver.Progress, len(a.Partitions)),
		}, adopted: len(a.Partitions), batch: k.batches}
		if l := k.state.Lanes[a.Lane]; l != nil {
			h.version = l.Version
		}
		for _, p := range a.Partitions {
			pr, err := k.progress(ctx, p, sets)
			if err != nil {
				return nil, err
			}
			h.parts[p] = pr
			h.move(k.state, a.Lane, p)
		}
		h.over = len(h.from) == 0 && isOver(h.parts)
		maps.Copy(all, h.parts)
		fresh[a.Lane] = h
	}
	k.own(fresh)
	return all, nil
}

// isOver reports whether nothing of any partition can come.
func isOver(parts map[record.Partition]driver.Progress) bool {
	for _, g := range parts {
		if !g.Ended || g.Held.Len() > 0 {
			return false
		}
	}
	return len(parts) > 0
}

// move takes down that p has to come from another lane.
func (h *held) move(s *ledger.State, lane string, p record.Partition) {
	st := s.Partitions[p]
	if st == nil || st.Lane == lane {
		return
	}
	if h.from == nil {
		h.from, h.moved = map[string]uint64{}, map[record.Partition]bool{}
	}
	h.from[st.Lane], h.moved[p] = s.Base(st.Lane), true
}

// since is the entry behind the last one of the lanes that partitions are to come from; 0 if there are none.
func (h *held) since() (n uint64) {
	for _, version := range h.from {
		n = max(n, version+1)
	}
	return n
}

// tell says what is committed of all partitions: see driver.Ledger.
func (k *keeper) tell(ctx context.Context) (map[record.Partition]driver.Standing, error) {
	k.env.Lock(&k.mu)
	defer k.mu.Unlock()
	if err := k.tail(ctx); err != nil {
		return nil, err
	}
	out := make(map[record.Partition]driver.Standing, len(k.state.Partitions))
	for p, st := range k.state.Partitions {
		g := &st.Progress
		out[p] = driver.Standing{
			Lane: st.Lane, UpTo: g.UpTo, Seen: g.Seen, Arrived: g.Arrived, Ended: g.Ended, Holds: st.HeldLen > 0, Retired: st.Retired,
		}
	}
	return out, nil
}

// progress returns that of a partition, with its held set. It needs k.mu.
func (k *keeper) progress(ctx context.Context, p record.Partition, sets *heldSets) (driver.Progress, error) {
	st := k.state.Partitions[p]
	if st == nil {
		pr, _ := k.state.Resume(p)
		return pr, nil
	}
	if st.Retired {
		return driver.Progress{}, retry.Stop(fmt.Errorf("sink: partition %s was retired from the job %q and cannot be read again", p, k.job))
	}
	pr := st.Progress
	if len(st.HeldBlobs) > 0 {
		var err error
		if pr.Held, err = sets.of(ctx, p, st); err != nil {
			return pr, err
		}
	}
	return pr, nil
}

// unfinished is what has been begun and may still give records: see driver.Ledger.
func (k *keeper) unfinished() map[record.Partition]driver.Progress {
	k.env.Lock(&k.mu)
	defer k.mu.Unlock()
	all := map[record.Partition]driver.Progress{}
	for p, st := range k.state.Partitions {
		if !st.Retired && (!st.Progress.Ended || st.HeldLen > 0) {
			pr := st.Progress
			pr.Held = driver.HeldSet{}
			all[p] = pr
		}
	}
	return all
}

// own holds the fresh lanes. Files that are staged from now on need an owner object that lists them too.
func (k *keeper) own(fresh map[string]*held) {
	k.lanesMu.Lock()
	defer k.lanesMu.Unlock()
	maps.Copy(k.lanes, fresh)
	k.adoptions++
	k.owner.Store(nil)
}

// release forgets lanes.
func (k *keeper) release(lanes []string) {
	k.lanesMu.Lock()
	defer k.lanesMu.Unlock()
	for _, l := range lanes {
		delete(k.lanes, l)
	}
}

// holds reports whether one of the lanes is held.
func (k *keeper) holds(lanes []string) bool {
	k.lanesMu.Lock()
	defer k.lanesMu.Unlock()
	return slices.ContainsFunc(lanes, func(l string) bool { return k.lanes[l] != nil })
}

// newKeeper has no ledger yet: Attach opens it.
func newKeeper(store Store, e *env.Env, job string, o Options, flows []string) *keeper {
	slices.Sort(flows)
	k := &keeper{
		journal: &journal{
			store: retry.New(store, e), env: e, log: slog.New(slog.DiscardHandler), root: ledger.Root(o.Prefix, job, epoch),
			authors: map[uint64][]string{},
		},
		opts: o, job: job, flowNames: flows, lanes: map[string]*held{},
		upkeep: upkeep{published: map[uint64]bool{}, noticed: map[uint64]time.Time{}},
	}
	k.clock.limits(k, store)
	return k
}

// epoch is the only one so far.
const epoch = 1
