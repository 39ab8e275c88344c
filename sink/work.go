package sink

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink/internal/files"
	"github.com/onceflow/onceflow/sink/internal/retry"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// work is a transaction but for the type of its events. Lanes may be asked for concurrently; everything else is for one
// goroutine.
type work struct {
	k     *keeper
	set   *files.Set
	after atomic.Pointer[work] // what it builds on, until it is settled itself

	mu    sync.Mutex
	lanes map[string]*laneBase // by name, those that it touches

	cut     chan struct{}           // closed when carried is known, also if that is nothing
	carried map[string]*carriedLane // what the next transaction builds on
	settled chan struct{}           // closed when outcome is known
	outcome error                   // nil: committed

	lateDropped map[string]int64 // rows by flow that Flow.Late drops; set before Commit
	lateRows    map[string]int64 // those, and what is in late files; set by Commit

	begun bool // Commit or Drop was called
	void  atomic.Pointer[ledger.VoidError]
}

// laneBase is what a transaction's work on a lane is based on. It does not change.
type laneBase struct {
	token       ledger.Token
	index       uint64 // of the adoption
	closedEntry uint64 // the version of a lane that was never touched
	deadline    int64  // hours that end at or before it, in seconds since 1970, are closed for this lane
}

// carriedLane is the progress that a transaction carries, committed or not.
type carriedLane struct {
	token ledger.Token
	index uint64 // of the adoption
	parts map[record.Partition]driver.Progress
	low   time.Time
}

func (k *keeper) begin(after *work) *work {
	staging := &staging{store: k.store, env: k.env, owner: k.ownerID, sequence: k.sequence.Add(1)}
	w := &work{
		k: k, lanes: map[string]*laneBase{},
		set: files.NewSet(staging.begin, k.opts.FileBytes, k.env, k.budget),
		cut: make(chan struct{}), settled: make(chan struct{}),
	}
	w.after.Store(after)
	return w
}

// lane returns the base of a lane, fixing it when it is first asked for. It may wait for the predecessor's cut, whose
// lows decide what is late here: by then they may be committed and hours closed because of them.
func (w *work) lane(ctx context.Context, name string) (*laneBase, error) {
	w.mu.Lock()
	b := w.lanes[name]
	w.mu.Unlock()
	if b != nil {
		return b, nil
	}
	before, err := w.before(ctx, name)
	if err != nil {
		return nil, err
	}
	v := w.k.view.Load()
	b = &laneBase{token: before.token, index: before.index, closedEntry: v.closedEntry, deadline: later(before.low, v.closed).Unix()}
	w.mu.Lock()
	defer w.mu.Unlock()
	if other := w.lanes[name]; other != nil {
		return other, nil
	}
	w.lanes[name] = b
	return b, nil
}

// before returns the progress that w builds on in a lane: what the predecessor carries, else what is committed.
func (w *work) before(ctx context.Context, name string) (*carriedLane, error) {
	h := w.k.lane(name)
	if h == nil {
		return nil, retry.Stop(fmt.Errorf("sink: lane %q is not adopted", name))
	}
	a := w.after.Load()
	if a == nil {
		return h, nil
	}
	settled, err := w.k.env.Wait(ctx, a.settled, a.cut)
	if err != nil {
		return nil, err
	}
	if settled {
		return w.k.lane(name), nil // h may be older than that
	}
	if c := a.carried[name]; c != nil && c.token == h.token {
		return c, nil
	}
	return h, nil
}

// lane returns what is committed of a lane that is held; nil if it is not. The result does not change.
func (k *keeper) lane(name string) *carriedLane {
	if h := k.heldLane(name); h != nil {
		return &h.carriedLane
	}
	return nil
}

func (k *keeper) heldLane(name string) *held {
	k.lanesMu.Lock()
	defer k.lanesMu.Unlock()
	return k.lanes[name]
}

// explain is for errors of uploads. Once all our lanes have new owners, one of them may have swept what we staged, and the
// store tells us nothing but that it is gone. Such work is void, which Commit says; until then writes are taken and lost.
func (w *work) explain(ctx context.Context, err error) error {
	if err == nil || w.k.read(ctx) != nil {
		return err
	}
	w.mu.Lock()
	lanes := maps.Clone(w.lanes)
	w.mu.Unlock()
	w.k.env.Lock(&w.k.journal.mu)
	defer w.k.journal.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(lanes)) {
		b, st := lanes[name], w.k.state.Lanes[name]
		if st != nil && st.Version >= b.index && st.Token != b.token {
			void := &ledger.VoidError{Lane: name, Entry: st.Version, Reason: "another instance has committed it, and swept what was staged"}
			w.void.Store(void)
			return void
		}
	}
	return err
}

var errDropped = errors.New("sink: the transaction before this one was dropped")

// drop gives the work up. Nothing was appended, so what is staged is nobody's.
func (w *work) drop(ctx context.Context) error {
	if w.begun {
		return retry.Stop(errors.New("sink: Drop of a transaction after Commit or Drop"))
	}
	w.begun = true
	close(w.cut)
	w.settle(errDropped)
	return w.set.Abort(ctx)
}

func (w *work) settle(outcome error) {
	w.outcome = outcome
	w.after.Store(nil)
	close(w.settled)
}

func (w *work) isVoid() bool { return w.void.Load() != nil }

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
