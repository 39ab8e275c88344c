package txn

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink/internal/journal"
	"github.com/onceflow/onceflow/sink/internal/retry"
	"github.com/onceflow/onceflow/sink/internal/upkeep"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// Lanes are the lanes that this instance owns. It is safe for concurrent use.
type Lanes struct {
	journal   *journal.Journal
	publisher *upkeep.Publisher
	opts      Options
	owner     *owner
	batches   atomic.Int64  // of acquisitions
	sequence  atomic.Uint64 // of transactions

	mu           sync.Mutex
	lanes        map[string]*owned
	acquisitions int // so far
}

// owned is a lane that this instance owns. It is immutable. Only a commit of our own replaces it. Entries of others do not:
// they make our next commit void, and so we notice them.
type owned struct {
	carriedLane
	version  uint64 // the entry that touched it last, as far as we know; 0 if none did
	acquired int    // how many partitions it had when it was acquired
	over     bool   // all of its partitions had ended then, and nothing of them was pending
	batch    int64  // lanes that were acquired together have the same

	// from are the lanes, with their versions, in which the ledger has partitions of this one. The commit that moves the
	// partitions touches those lanes, too, so that uncommitted work there is void. After the move it is nil.
	from  map[string]uint64
	moved map[record.Partition]bool
}

// Options are the settings of Lanes.
type Options struct {
	Lateness  time.Duration  // subtracted from the newest event time; negative: hours are not closed
	FileBytes int64          // a file of this size is cut
	Budget    *driver.Budget // of the job's memory
}

// NewLanes returns none.
func NewLanes(j *journal.Journal, p *upkeep.Publisher, o Options) *Lanes {
	return &Lanes{journal: j, publisher: p, opts: o, lanes: map[string]*owned{}, owner: &owner{journal: j}}
}

// Acquire takes lanes over: see driver.Output.
func (l *Lanes) Acquire(ctx context.Context, lanes []driver.Assignment) (map[record.Partition]driver.Progress, error) {
	batch, sets := l.batches.Add(1), l.journal.Objects.PendingSets()
	fresh := make(map[string]*owned, len(lanes))
	all := map[record.Partition]driver.Progress{}
	err := l.journal.ReadAnd(ctx, func(s *ledger.State) error {
		for _, a := range lanes {
			h := &owned{carriedLane: carriedLane{
				token: journal.NewToken(l.journal.Objects.Env), index: s.Last + 1, watermark: s.Lanes.Watermark(a.Lane, a.Partitions),
				parts: make(map[record.Partition]driver.Progress, len(a.Partitions)),
			}, acquired: len(a.Partitions), batch: batch}
			if known := s.Lanes.ByName[a.Lane]; known != nil {
				h.version = known.Version
			}
			for _, p := range a.Partitions {
				pr, err := l.progress(ctx, s, p, sets)
				if err != nil {
					return err
				}
				h.parts[p] = pr
				h.move(s, a.Lane, p)
			}
			h.over = len(h.from) == 0 && isOver(h.parts)
			maps.Copy(all, h.parts)
			fresh[a.Lane] = h
		}
		l.own(fresh)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// isOver reports whether nothing of any partition can come.
func isOver(parts map[record.Partition]driver.Progress) bool {
	for _, g := range parts {
		if !g.Ended || g.Pending.Len() > 0 {
			return false
		}
	}
	return len(parts) > 0
}

// move takes down that p has to come from another lane.
func (h *owned) move(s *ledger.State, lane string, p record.Partition) {
	st := s.Lanes.Partitions[p]
	if st == nil || st.Lane == lane {
		return
	}
	if h.from == nil {
		h.from, h.moved = map[string]uint64{}, map[record.Partition]bool{}
	}
	h.from[st.Lane], h.moved[p] = s.Base(st.Lane), true
}

// since is the first entry after the versions in from; 0 if from is empty.
func (h *owned) since() (n uint64) {
	for _, version := range h.from {
		n = max(n, version+1)
	}
	return n
}

// progress returns that of a partition, with its pending set.
func (l *Lanes) progress(ctx context.Context, s *ledger.State, p record.Partition, sets *journal.PendingSets) (driver.Progress, error) {
	st := s.Lanes.Partitions[p]
	if st == nil {
		pr, _ := s.Lanes.Resume(p)
		return pr, nil
	}
	if st.Retired {
		return driver.Progress{}, retry.Stop(fmt.Errorf("sink: partition %s was retired from the job %q and cannot be read again", p, s.Genesis.Job))
	}
	pr := st.Progress
	if len(st.PendingBlobs) > 0 {
		var err error
		if pr.Pending, err = sets.Of(ctx, p, st); err != nil {
			return pr, err
		}
	}
	return pr, nil
}

// own adds acquired lanes. Files staged from now on need an owner object that lists them, too.
func (l *Lanes) own(fresh map[string]*owned) {
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.Copy(l.lanes, fresh)
	l.outdate()
}

// outdate says that the owner object no longer lists the owned lanes. The caller holds mu.
func (l *Lanes) outdate() {
	l.acquisitions++ // an owner object that is being written is out of date
	l.owner.id.Store(nil)
}

// all returns the lanes, and how many acquisitions made them.
func (l *Lanes) all() (lanes map[string]*owned, acquisitions int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.lanes), l.acquisitions
}

// Release forgets lanes.
func (l *Lanes) Release(lanes []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, name := range lanes {
		delete(l.lanes, name)
	}
}

// Holds reports whether one of the lanes is owned.
func (l *Lanes) Holds(lanes []string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(lanes, func(name string) bool { return l.lanes[name] != nil })
}

// owned returns what is committed of an owned lane; nil if the lane is not owned. The result does not change.
func (l *Lanes) owned(name string) *owned {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lanes[name]
}

// base sets the versions that c builds on: those of our own last commits, or those that the lanes had at their acquisition.
// If a lane was acquired again meanwhile t is void.
func (l *Lanes) base(c *ledger.Commit, t *Txn) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range c.Lanes {
		lc := &c.Lanes[i]
		b, h := t.lanes[lc.Lane], l.lanes[lc.Lane]
		if h == nil || h.token != b.token {
			return &ledger.VoidError{Lane: lc.Lane, Reason: "the lane was acquired again or released"}
		}
		lc.Token, lc.Base = b.token, cmp.Or(h.version, b.closedEntry)
		if h.version == 0 {
			lc.Acquired = h.index
		}
	}
	return l.baseOfMoves(c)
}

// baseOfMoves adds the lanes that partitions come from. It needs mu.
func (l *Lanes) baseOfMoves(c *ledger.Commit) error {
	byLane := func(l ledger.LaneCommit, name string) int { return cmp.Compare(l.Lane, name) }
	added := map[string]ledger.LaneCommit{}
	for _, lc := range c.Lanes {
		for from, version := range l.lanes[lc.Lane].from {
			base := version
			if i, found := slices.BinarySearchFunc(c.Lanes, from, byLane); found {
				base = c.Lanes[i].Base
			} else if a, found := added[from]; found {
				base = a.Base
			} else {
				added[from] = ledger.LaneCommit{Lane: from, Base: version, Token: lc.Token}
			}
			if base != version {
				return &ledger.VoidError{Lane: from, Reason: "a partition was to come from it, and it went on"}
			}
		}
	}
	if len(added) > 0 {
		c.Lanes = slices.AppendSeq(c.Lanes, maps.Values(added))
		slices.SortFunc(c.Lanes, func(a, b ledger.LaneCommit) int { return cmp.Compare(a.Lane, b.Lane) })
	}
	return nil
}

// committed makes what c carries the base of what comes next.
func (l *Lanes) committed(id uint64, c *ledger.Commit, carried map[string]*carriedLane) {
	l.mu.Lock()
	defer l.mu.Unlock()
	batches := make(map[ledger.Token]int64, len(c.Lanes)) // of the acquisitions that c is of
	for i := range c.Lanes {
		lc := &c.Lanes[i]
		h := l.lanes[lc.Lane]
		if h == nil || h.token != lc.Token {
			continue
		}
		batches[h.token] = h.batch
		if len(h.from) > 0 {
			l.outdate() // what is staged from now on comes from no other lane
		}
		l.lanes[lc.Lane] = &owned{carriedLane: *carried[lc.Lane], version: id, acquired: h.acquired, batch: h.batch}
	}
	l.movedOn(id, c, batches)
}

// movedOn updates the expected version of a source lane after our own commit c advanced it, for the lanes that will take
// partitions from it. Only lanes of the same acquisition qualify, because the sweeper can match only those tokens. One map
// of the touched lanes keeps this linear: a commit once took seconds here. The caller holds mu.
func (l *Lanes) movedOn(id uint64, c *ledger.Commit, batches map[ledger.Token]int64) {
	var touched map[string]*ledger.LaneCommit
	for name, h := range l.lanes {
		if len(h.from) == 0 {
			continue
		}
		if touched == nil {
			touched = make(map[string]*ledger.LaneCommit, len(c.Lanes))
			for i := range c.Lanes {
				touched[c.Lanes[i].Lane] = &c.Lanes[i]
			}
		}
		next := *h
		next.from = maps.Clone(h.from)
		for from, version := range h.from {
			lc := touched[from]
			if lc == nil || version != lc.Base {
				continue
			}
			if batch, ours := batches[lc.Token]; ours && batch == h.batch {
				next.from[from] = id
			}
		}
		l.lanes[name] = &next
	}
}
