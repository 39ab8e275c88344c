package txn

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/internal/when"
	"github.com/onceflow/onceflow/sink/internal/files"
	"github.com/onceflow/onceflow/sink/internal/journal"
	"github.com/onceflow/onceflow/sink/internal/retry"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// Txn is a transaction without the type of its events and their way into files. Deadline and Explain may be called
// concurrently, all else by one goroutine.
type Txn struct {
	l     *Lanes
	set   *files.Set
	after atomic.Pointer[Txn] // what it builds on, until it is settled itself

	mu    sync.Mutex           // a leaf
	lanes map[string]*laneBase // by name, those that it touches

	cut     chan struct{}           // closed when carried is known, also if that is nothing
	carried map[string]*carriedLane // what the next transaction builds on
	settled chan struct{}           // closed when outcome is known
	outcome error                   // nil: committed

	begun bool // Commit or Drop was called
	void  atomic.Pointer[ledger.VoidError]
}

// laneBase is the state that a transaction's work on a lane builds on. It does not change.
type laneBase struct {
	token       ledger.Token
	index       uint64 // of the acquisition
	closedEntry uint64 // the version of a lane that was never touched
	deadline    int64  // hours that end at or before it, in seconds since 1970, are closed for this lane
}

// carriedLane is the progress of a lane that a transaction carries, committed or not.
type carriedLane struct {
	token     ledger.Token
	index     uint64 // of the acquisition
	parts     map[record.Partition]driver.Progress
	watermark time.Time
}

// Begin starts a transaction on top of after, or of what is committed if after is nil.
func (l *Lanes) Begin(after *Txn) *Txn {
	o := l.journal.Objects
	staging := &Staging{Store: o.Store, Env: o.Env, Owner: l.Owner, Sequence: l.sequence.Add(1), Most: l.opts.FileBytes}
	t := &Txn{
		l: l, lanes: map[string]*laneBase{}, set: files.NewSet(staging.Begin, l.opts.FileBytes, o.Env, l.opts.Budget),
		cut: make(chan struct{}), settled: make(chan struct{}),
	}
	t.after.Store(after)
	return t
}

// Set is where the files of t go.
func (t *Txn) Set() *files.Set { return t.set }

// Begun reports whether Commit or Drop was called.
func (t *Txn) Begun() bool { return t.begun }

// Void reports whether the written rows are lost. Commit reports it as an error: see Explain.
func (t *Txn) Void() bool { return t.void.Load() != nil }

// Deadline returns the time, in seconds since 1970, up to which the hours of a lane are closed for t. Its first call fixes
// the base of the lane. It may wait for the predecessor's cut, whose watermarks decide what is late here: they may be
// committed, and hours closed by them, before t commits.
func (t *Txn) Deadline(ctx context.Context, lane string) (int64, error) {
	b, err := t.lane(ctx, lane)
	if err != nil {
		return 0, err
	}
	return b.deadline, nil
}

// lane returns the base of a lane.
func (t *Txn) lane(ctx context.Context, name string) (*laneBase, error) {
	t.mu.Lock()
	b := t.lanes[name]
	t.mu.Unlock()
	if b != nil {
		return b, nil
	}
	before, err := t.before(ctx, name)
	if err != nil {
		return nil, err
	}
	v := t.l.journal.View()
	deadline := when.Later(before.watermark, v.Closed)
	b = &laneBase{token: before.token, index: before.index, closedEntry: v.ClosedEntry, deadline: deadline.Unix()}
	t.mu.Lock()
	defer t.mu.Unlock()
	if other := t.lanes[name]; other != nil {
		return other, nil
	}
	t.lanes[name] = b
	return b, nil
}

// before returns the progress of a lane that t builds on: what the predecessor carries, else what is committed.
func (t *Txn) before(ctx context.Context, name string) (*carriedLane, error) {
	h := t.l.owned(name)
	if h == nil {
		return nil, retry.Stop(fmt.Errorf("sink: lane %q is not acquired", name))
	}
	a := t.after.Load()
	if a == nil {
		return &h.carriedLane, nil
	}
	settled, err := t.l.journal.Objects.Env.Wait(ctx, a.settled, a.cut)
	if err != nil {
		return nil, err
	}
	if settled {
		if h = t.l.owned(name); h == nil { // the one before may be older than that
			return nil, retry.Stop(fmt.Errorf("sink: lane %q was released", name))
		}
		return &h.carriedLane, nil
	}
	if c := a.carried[name]; c != nil && c.token == h.token {
		return c, nil
	}
	return &h.carriedLane, nil
}

// Explain handles errors of uploads. Once all our lanes have new owners, one of them may have swept what we staged, and
// then the store only says that it is gone. Such work is void, and Commit says so. Until then writes succeed and are lost.
func (t *Txn) Explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	t.mu.Lock()
	lanes := maps.Clone(t.lanes)
	t.mu.Unlock()
	why := err
	_ = t.l.journal.ReadAnd(ctx, func(s *ledger.State) error {
		for _, name := range slices.Sorted(maps.Keys(lanes)) {
			b, st := lanes[name], s.Lanes.ByName[name]
			if st != nil && st.Version >= b.index && st.Token != b.token {
				void := &ledger.VoidError{Lane: name, Entry: st.Version, Reason: "another instance has committed it, and swept what was staged"}
				t.void.Store(void)
				why = void
				return nil
			}
		}
		return nil
	})
	return why
}

// Commit makes t durable: see driver.Txn. The protocol fixes the order of the steps: staged files become durable, then the
// entry that names them is appended, then the files are published, and the manifest comes last. dropped counts, by flow,
// the late rows of flows that drop these. LateRows of the result are these and the rows in late files.
func (t *Txn) Commit(ctx context.Context, cut driver.Cut, dropped map[string]int64) (did driver.Committed, err error) {
	if t.begun {
		return did, retry.Stop(errors.New("sink: Commit of a transaction after Commit or Drop: acquire its lanes again to learn its outcome"))
	}
	t.begun = true
	lanes, err := t.advance(ctx, cut)
	close(t.cut) // the next transaction may go on, whatever becomes of this one
	if err != nil {
		return did, t.fail(ctx, err)
	}
	if void := t.void.Load(); void != nil {
		return did, t.fail(ctx, void)
	}
	now := t.l.journal.Objects.Env.Now
	began := now()
	staged, err := t.set.Finish(ctx)
	if err != nil {
		return did, t.fail(ctx, t.Explain(ctx, err))
	}
	list := filesOf(staged)
	did = driver.Committed{LateRows: maps.Clone(dropped), Files: sumOf(list)}
	did.Staging = now().Sub(began)
	for k, sum := range did.Files {
		if k.Kind == string(ledger.LateFile) {
			did.LateRows[k.Flow] += sum.Rows
		}
	}
	if len(list) == 0 && t.elidable(lanes, cut.Lanes) {
		t.settle(nil)
		return did, nil
	}
	e := t.l.publisher.Entry(ledger.KindCommit)
	e.Commit = &ledger.Commit{
		Lanes: lanes, Files: list, Hours: ledger.SumHours(list),
		Reasons: ledger.ReasonsOf(cut.Reasons), LateDropped: ledger.RowsByFlow(dropped),
	}
	defer t.l.publisher.Committing()()
	began = now()
	if did.Entry, err = t.append(ctx, e); err != nil {
		return did, err
	}
	t.l.journal.Snapshot(ctx, did.Entry)
	appended := now()
	did.Appending = appended.Sub(began)
	if err := t.l.publisher.Publish(ctx, e); err != nil {
		return did, fmt.Errorf("sink: committed as entry %d, but not all of its files are published: %w", did.Entry, err)
	}
	did.Publishing = now().Sub(appended)
	return did, nil
}

// sumOf adds files up for people.
func sumOf(list []ledger.File) map[driver.FileKind]driver.FileSum {
	sums := map[driver.FileKind]driver.FileSum{}
	for i := range list {
		f := &list[i]
		k := driver.FileKind{Flow: f.Flow, Kind: cmp.Or(string(f.Kind), "data")}
		s := sums[k]
		sums[k] = driver.FileSum{Files: s.Files + 1, Rows: s.Rows + f.Rows, Bytes: s.Bytes + f.Length}
	}
	return sums
}

// filesOf is how the ledger tells of staged files.
func filesOf(staged []files.File) []ledger.File {
	list := make([]ledger.File, len(staged))
	for i, f := range staged {
		list[i] = ledger.File{
			Flow: f.Flow, Kind: ledger.FileKind(f.Kind), Hour: f.Hour, Key: f.Key, Length: f.Length, Rows: f.Rows, CRC32C: f.CRC32C, Ref: f.Ref,
		}
		if c := f.Contents; c != nil {
			list[i].Contents = &ledger.Contents{Offset: c.Offset, Length: c.Length, CRC32C: c.CRC32C}
		}
	}
	return list
}

// append writes the entry and settles t.
func (t *Txn) append(ctx context.Context, e *ledger.Entry) (uint64, error) {
	err := t.l.base(e.Commit, t)
	if err != nil {
		return 0, t.fail(ctx, err)
	}
	id, err := t.l.journal.Append(ctx, e, nil)
	switch {
	case errors.Is(err, journal.ErrUnsettled):
		// What was staged stays, since an entry may name it now or later. Once none can, the sweeper deletes it.
		t.settle(err)
		return 0, err
	case err != nil:
		return 0, t.fail(ctx, err)
	}
	t.l.committed(id, e.Commit, t.carried)
	t.settle(nil)
	return id, nil
}

// fail gives the work up. Either no append was tried, or it is certain that no entry names its files.
func (t *Txn) fail(ctx context.Context, err error) error {
	t.settle(err)
	if err := t.set.Abort(context.WithoutCancel(ctx)); err != nil {
		t.l.journal.Log.Warn("cannot delete staged files; the sweeper will", "err", err)
	}
	return err
}

var errDropped = errors.New("sink: the transaction before this one was dropped")

// Drop gives the work up before any append, and deletes what is staged.
func (t *Txn) Drop(ctx context.Context) error {
	if t.begun {
		return retry.Stop(errors.New("sink: Drop of a transaction after Commit or Drop"))
	}
	t.begun = true
	close(t.cut)
	t.settle(errDropped)
	return t.set.Abort(ctx)
}

func (t *Txn) settle(outcome error) {
	t.outcome = outcome
	t.after.Store(nil)
	close(t.settled)
}
