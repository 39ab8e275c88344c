package sink

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/internal/tail"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// LostError says that objects of a ledger are gone. It matches stream.ErrStop.
type LostError = ledger.LostError

// CorruptError says that an object of a ledger is not what its author wrote. It matches stream.ErrStop.
type CorruptError = ledger.CorruptError

// VersionError says that an object of a ledger is of a newer version. It matches stream.ErrStop.
type VersionError = ledger.VersionError

// JobState is how far a job has got.
type JobState struct {
	Entry      uint64        // the last one of the ledger
	Source     string        // driver.SourceInfo.ID
	Generation uint64        // Options.Generation, with which Topics were named
	Topics     []string      // that are read
	Sources    []string      // of a job with several: NAME=ID of those with a name
	Logs       []LogState    // how many partitions these have, as far as the job must know
	Hour       time.Duration // Options.Hour

	Partitions map[record.Partition]PartitionState // that have more to give, or have ended not long ago
	Lanes      int                                 // that these are in
	Forgotten  int64                               // partitions that have ended; Read and Counts include them
	Finished   int                                 // those of them that the source may still list

	Unpublished []uint64   // committed entries whose files and manifest are not known to be in place, ascending
	OpenHours   []OpenHour // that have on-time files, ascending
	NextHour    time.Time  // start of the one that closes next; zero if it is not known yet
	Closed      time.Time  // end of the last closed hour; zero, or Options.Start, before the first
	Sealed      time.Time  // end of the last hour whose seals are known to exist

	Read   int64 // records of all partitions
	Counts record.Counts
	Rows   int64 // in on-time files
}

// PartitionState is how far a partition has got.
type PartitionState struct {
	Lane     string
	Holder   string          // the instance that has committed the lane last; empty if that was long ago
	Progress driver.Progress // without the positions that are pending if these are many
	Pending  int             // records in work
	Retired  bool
	Read     int64
	Counts   record.Counts
}

// LogState is how many partitions a log had when the job began to read it.
type LogState struct {
	Source, Epoch string
	Partitions    int
}

// OpenHour is an hour that is not closed.
type OpenHour struct {
	Start              time.Time
	Files, Rows, Bytes int64
}

// Inspect reads the ledger of a job and returns its state: how far each partition is, what is not published, which hours
// are open. It writes nothing. The error matches fs.ErrNotExist if the job has not begun, and is a *LostError if parts of
// the ledger are gone.
func Inspect(ctx context.Context, store Store, job string, opts *ReadOptions) (*JobState, error) {
	j, err := openJournal(ctx, store, job, opts)
	if err != nil {
		return nil, err
	}
	var out *JobState
	j.TryLook(func(s *ledger.State, holders map[string]string) { out = jobState(s, holders) }) // nobody else has j
	return out, nil
}

// State is what Inspect returns, from memory: as of what this process has read of the ledger, which is a few seconds old.
// It makes no request and waits for nothing: while this process reads or appends, it is what State returned before. It is
// nil before there is anything to return. Do not change it. State may be called at any time.
func (s *Sink[T]) State() *JobState { return s.seen.state() }

// seen is what a Sink tells of itself without asking the store.
type seen struct {
	rooms atomic.Pointer[rooms] // nil before Attach
	last  atomic.Pointer[JobState]
}

func (s *seen) state() *JobState {
	r := s.rooms.Load()
	if r == nil {
		return nil
	}
	r.journal.TryLook(func(state *ledger.State, holders map[string]string) {
		if old := s.last.Load(); old == nil || old.Entry != state.Last {
			s.last.Store(jobState(state, holders))
		}
	})
	return s.last.Load()
}

func jobState(s *ledger.State, holders map[string]string) *JobState {
	out := &JobState{
		Entry: s.Last, Source: s.Genesis.Source, Generation: s.Config.Generation, Topics: slices.Clone(s.Config.Topics), Sources: slices.Clone(s.Config.Sources), Hour: s.Genesis.Hour,
		Partitions: make(map[record.Partition]PartitionState, len(s.Lanes.Partitions)), Lanes: len(s.Lanes.ByName), Forgotten: s.Lanes.Over, Finished: s.Lanes.Finished.Len(),
		Unpublished: slices.Sorted(maps.Keys(s.Unpublished)), NextHour: s.NextHour(), Closed: s.Hours.Closed, Sealed: s.Hours.Sealed,
		Read: s.Read, Counts: s.Counts, Rows: s.Rows,
	}
	for _, l := range s.Config.Logs {
		out.Logs = append(out.Logs, LogState(l))
	}
	for p, st := range s.Lanes.Partitions {
		out.Partitions[p] = PartitionState{st.Lane, holders[st.Lane], st.Progress, st.PendingLen, st.Retired, st.Read, st.Counts}
	}
	for start, h := range s.Hours.Open {
		out.OpenHours = append(out.OpenHours, OpenHour{start, h.Files, h.Rows, h.Bytes})
	}
	slices.SortFunc(out.OpenHours, func(a, b OpenHour) int { return a.Start.Compare(b.Start) })
	return out
}

// Tail is how long the ledger of a job is.
type Tail struct {
	Ledger string        // identity of this ledger: a job that is begun anew, under the same name too, gets another one
	Entry  uint64        // its last entry; 0 if there is none
	Hour   time.Duration // Options.Hour
}

// FindTail looks for the end of the ledger of a job without reading it. It asks whether single entries exist, about twice
// as often as the distance from the entry near to the end has binary digits. The error matches fs.ErrNotExist if the job has
// not begun.
func FindTail(ctx context.Context, store Store, job string, near uint64, opts *ReadOptions) (Tail, error) {
	r, err := newReader(ctx, store, job, opts)
	if err != nil {
		return Tail{}, err
	}
	g, _, err := r.folder.Begun(ctx)
	if err != nil {
		return Tail{}, err
	}
	o := r.folder.Objects
	last, err := tail.Find(near, func(n uint64) (bool, error) {
		there, err := o.Exists(ctx, o.Root+ledger.EntryName(n))
		if err != nil {
			err = fmt.Errorf("sink: look for entry %d: %w", n, err)
		}
		return there, err
	})
	return Tail{Ledger: string(g.Token), Entry: last, Hour: g.Hour}, err
}

// HasFlow reports whether a job writes a flow, or has written it. The error matches fs.ErrNotExist if the job has not begun. If
// another job writes that flow, it says so.
func HasFlow(ctx context.Context, store Store, job, flow string, opts *ReadOptions) (bool, error) {
	r, err := newReader(ctx, store, job, opts)
	if err == nil {
		err = checkName("flow", flow)
	}
	if err != nil {
		return false, err
	}
	if _, _, err := r.folder.Begun(ctx); err != nil {
		return false, err
	}
	claimed, err := r.folder.Claimed(ctx, flow)
	if err != nil {
		err = fmt.Errorf("sink: %w", err)
	}
	return claimed, err
}
