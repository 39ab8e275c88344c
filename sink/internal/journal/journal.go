package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/internal/when"
)

// Journal is the ledger of a job that has begun. It has the ledger's state, updates it by reading, and appends. It is safe
// for concurrent use; reads and appends go one at a time.
type Journal struct {
	Objects *Objects
	Folder  *Folder
	Log     *slog.Logger
	By      string // the name of this instance, in what it writes

	mu       sync.Mutex // held during I/O: one at a time reads or appends
	state    *ledger.State
	closings closings
	authors  map[uint64][]string // lanes of the entries in state.Unpublished, where we know them
	known    *openFiles          // nil if we close no hours
	holders  map[string]string   // by lane: who committed it last, of the entries that we have folded

	view   atomic.Pointer[View]
	outrun atomic.Int64
}

// View is what others can see while the journal waits for the store.
type View struct {
	Last        uint64
	Closed      time.Time
	ClosedEntry uint64
	At          time.Time // the newest time that an author has read from the store's clock
}

// Options are the optional settings of Folder.Open.
type Options struct {
	Log      *slog.Logger // nil: none
	By       string       // the name of this instance; may be empty
	Flows    []string     // of a job that would write: see Folder.CheckData
	Remember bool         // keep the files of open hours in memory, for who closes hours
}

// Open reads the ledger that begins with genesis g: the latest snapshot and the entries after it. It refuses a ledger that
// lost objects.
func (f *Folder) Open(ctx context.Context, g *ledger.Genesis, hash ledger.Hash, o Options) (*Journal, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	state, err := f.snapshots(o.Log).latest(ctx, g, hash, math.MaxUint64)
	if err != nil {
		return nil, err
	}
	j := &Journal{Objects: f.Objects, Folder: f, Log: o.Log, By: o.By, state: state, authors: map[uint64][]string{}, holders: map[string]string{}}
	if o.Remember {
		j.known = newOpenFiles()
	}
	j.publishView()
	if err := j.Read(ctx); err != nil {
		return nil, err
	}
	for _, c := range j.closings.list {
		c.Ours = true
	}
	return j, checkLost(ctx, j, o.Flows)
}

// Genesis is that of the ledger, which never changes.
func (j *Journal) Genesis() *ledger.Genesis { return &j.state.Genesis }

// View returns what is known without waiting for the store. The result does not change.
func (j *Journal) View() *View { return j.view.Load() }

// Outrun is how often others were faster to take the place of an entry of ours.
func (j *Journal) Outrun() int64 { return j.outrun.Load() }

// Busy reports whether somebody reads or appends.
func (j *Journal) Busy() bool {
	if !j.mu.TryLock() {
		return true
	}
	j.mu.Unlock()
	return false
}

// Look calls f with the present state. f must neither keep nor change it, and must not call j.
func (j *Journal) Look(f func(s *ledger.State)) {
	j.Objects.Env.Lock(&j.mu)
	defer j.mu.Unlock()
	f(j.state)
}

// TryLook is Look if nobody reads or appends at present, and reports whether it was. holders are the names of the instances
// that committed lanes last, by lane, as far as they are known.
func (j *Journal) TryLook(f func(s *ledger.State, holders map[string]string)) bool {
	if !j.mu.TryLock() {
		return false
	}
	defer j.mu.Unlock()
	f(j.state, j.holders)
	return true
}

// Read folds all entries there are.
func (j *Journal) Read(ctx context.Context) error {
	return j.ReadAnd(ctx, func(*ledger.State) error { return nil })
}

// ReadAnd folds all existing entries, and then calls f with the state. f must neither keep nor change it, and of j it may
// use only Objects.
func (j *Journal) ReadAnd(ctx context.Context, f func(s *ledger.State) error) error {
	j.Objects.Env.Lock(&j.mu)
	defer j.mu.Unlock()
	if err := j.tail(ctx); err != nil {
		return err
	}
	return f(j.state)
}

// tail folds all entries there are. It needs mu.
func (j *Journal) tail(ctx context.Context) error {
	for {
		e, hash, err := j.Objects.Entry(ctx, j.state.Last+1)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := j.fold(e, hash); err != nil {
			return err
		}
	}
}

// fold takes in the next entry. It needs mu.
func (j *Journal) fold(e *ledger.Entry, hash ledger.Hash) error {
	before := j.closings.before(j.state, e)
	if err := j.state.Fold(e, hash); err != nil {
		return err
	}
	j.closings.behind(j.state, before)
	if e.Kind == ledger.KindCommit {
		if e.Commit.HasManifest() {
			j.authors[e.ID] = laneNames(e.Commit)
		}
		j.hold(e)
	}
	if j.known != nil {
		j.known.add(e)
		j.known.sealed(j.state.Hours.Sealed)
	}
	for _, id := range e.Published {
		delete(j.authors, id)
	}
	j.publishView()
	return nil
}

// hold notes who has committed lanes. Lanes that are gone make room from time to time.
func (j *Journal) hold(e *ledger.Entry) {
	for i := range e.Commit.Lanes {
		if l := e.Commit.Lanes[i].Lane; j.holders[l] != e.By {
			j.holders[l] = e.By
		}
	}
	if len(j.holders) > 2*len(j.state.Lanes.ByName)+16 {
		maps.DeleteFunc(j.holders, func(l, _ string) bool { return j.state.Lanes.ByName[l] == nil })
	}
}

func (j *Journal) publishView() {
	s := j.state
	at := when.Later(s.Genesis.Created, s.Hours.ClosedAt)
	j.view.Store(&View{Last: s.Last, Closed: s.Hours.Closed, ClosedEntry: s.Hours.ClosedEntry, At: at})
}

// Folded reads an entry that existed when the ledger was read, or is below the snapshot. If it is gone the ledger has lost
// it.
func (j *Journal) Folded(ctx context.Context, id uint64) (*ledger.Entry, ledger.Hash, error) {
	e, hash, err := j.Objects.Entry(ctx, id)
	if !errors.Is(err, fs.ErrNotExist) {
		return e, hash, err
	}
	last := j.View().Last
	return nil, "", &ledger.LostError{
		Job: j.Folder.Job, Found: fmt.Sprintf("what was made of entry %d", max(id, last)), Missing: fmt.Sprintf("entry %d", id), Last: last,
	}
}

// Commit is Folded for an entry that should be a Commit.
func (j *Journal) Commit(ctx context.Context, id uint64) (*ledger.Entry, error) {
	e, _, err := j.Folded(ctx, id)
	if err == nil && e.Commit == nil {
		err = &ledger.CorruptError{Object: fmt.Sprintf("entry %d", id), Reason: "it should be a commit"}
	}
	return e, err
}

// LanesOf returns the lanes of an entry that is not marked as published. It reads the entry only if that was folded before
// we started.
func (j *Journal) LanesOf(ctx context.Context, id uint64) ([]string, error) {
	j.Objects.Env.Lock(&j.mu)
	lanes, known := j.authors[id]
	j.mu.Unlock()
	if known {
		return lanes, nil
	}
	e, err := j.Commit(ctx, id)
	if err != nil {
		return nil, err
	}
	lanes = laneNames(e.Commit)
	j.Objects.Env.Lock(&j.mu)
	defer j.mu.Unlock()
	if _, unpublished := j.state.Unpublished[id]; unpublished {
		j.authors[id] = lanes
	}
	return lanes, nil
}

func laneNames(c *ledger.Commit) []string {
	names := make([]string, len(c.Lanes))
	for i := range c.Lanes {
		names[i] = c.Lanes[i].Lane
	}
	return names
}
