package streamtest

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// Output writes to a Ledger as the real one does to a store: it fences, voids transactions whose predecessor is void,
// and decides lateness by the progress that a transaction builds on.
type Output[T any] struct {
	// Bad, if set, says which rows cannot be encoded.
	Bad func(T) error

	// Hook, if set, is called before each operation that a store would see: acquire, commit, maintain, now. Done is
	// called after it, before its reply. An error of Hook means not done, one of Done that the reply is lost.
	Hook, Done func(op string) error

	// Settle is what Maintain returns as Upkeep.Settled.
	//
	// Defaults to true.
	Settle func() bool

	l        *Ledger[T]
	mu       sync.Mutex
	base     map[string]*laneBase
	acquired atomic.Int64
	serial   sync.Mutex // checks that methods are called by one goroutine at a time: all but Begin
	lanes    sync.Mutex // and that Begin is not called beside those that change the lanes
	job      driver.Job
	state    struct{ begun, ended int }
}

// laneBase is what the open chain of transactions builds on.
type laneBase struct {
	version     int
	acquisition int64
	watermark   time.Time
}

// Output opens an output: a process. Any number may write one ledger.
func (l *Ledger[T]) Output() *Output[T] { return &Output[T]{l: l, base: map[string]*laneBase{}} }

var _ driver.Output[int] = (*Output[int])(nil)

// alone reports methods that are called beside each other.
func (o *Output[T]) alone(method string, checks ...*sync.Mutex) func() {
	for i, c := range checks {
		if !c.TryLock() {
			o.l.t.Errorf("%s of the output is called beside another method", method)
			checks = checks[:i]
			break
		}
	}
	return func() {
		for _, c := range checks {
			c.Unlock()
		}
	}
}

func (o *Output[T]) call(f func(string) error, op string) error {
	if f == nil {
		return nil
	}
	return f(op)
}

// Attach keeps job for Job.
func (o *Output[T]) Attach(_ context.Context, job driver.Job) error {
	defer o.alone("Attach", &o.serial, &o.lanes)()
	o.job = job
	return nil
}

// Job is what Attach was given.
func (o *Output[T]) Job() driver.Job { return o.job }

// Acquire reads the lanes' progress.
func (o *Output[T]) Acquire(ctx context.Context, lanes []driver.Assignment) (map[record.Partition]driver.Progress, error) {
	defer o.alone("Acquire", &o.serial, &o.lanes)()
	if err := o.call(o.Hook, "acquire"); err != nil {
		return nil, err
	}
	o.l.mu.Lock()
	defer o.l.mu.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	at := map[record.Partition]driver.Progress{}
	for _, a := range lanes {
		s := o.l.lane(a.Lane)
		o.base[a.Lane] = &laneBase{version: s.version, acquisition: o.acquired.Add(1), watermark: o.l.watermark(s.progress)}
		for _, p := range a.Partitions {
			at[p] = s.progress[p]
		}
	}
	return at, o.call(o.Done, "acquire")
}

// Release forgets lanes.
func (o *Output[T]) Release(_ context.Context, lanes []string) error {
	defer o.alone("Release", &o.serial, &o.lanes)()
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, name := range lanes {
		delete(o.base, name)
	}
	return nil
}

// Maintain does nothing.
func (o *Output[T]) Maintain(ctx context.Context, list func(context.Context) ([]record.Partition, error)) (driver.Upkeep, error) {
	defer o.alone("Maintain", &o.serial)()
	if err := o.call(o.Hook, "maintain"); err != nil {
		return driver.Upkeep{}, err
	}
	if _, err := list(ctx); err != nil {
		return driver.Upkeep{}, err
	}
	return driver.Upkeep{Settled: o.Settle == nil || o.Settle(), Clock: o.l.clock()}, o.call(o.Done, "maintain")
}

// clock is the clock of the whole job.
func (l *Ledger[T]) clock() (c record.Clock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := true
	for _, s := range l.lanes {
		for _, p := range s.progress {
			if first || p.MaxEventTime.Before(c.MaxEventTime) {
				c.MaxEventTime, first = p.MaxEventTime, false
			}
			if p.Pending.Len() > 0 && (c.Pending.IsZero() || p.PendingTime.Before(c.Pending)) {
				c.Pending = p.PendingTime
			}
		}
	}
	return c
}

// Now is the ledger's clock.
func (o *Output[T]) Now(context.Context) (at, latest time.Time, err error) {
	defer o.alone("Now", &o.serial)()
	if err := o.call(o.Hook, "now"); err != nil {
		return at, latest, err
	}
	return o.l.Now(), latest, nil
}

// Ledger tells nothing.
func (o *Output[T]) Ledger() driver.Ledger { return driver.Ledger{} }

// Begin begins a transaction.
func (o *Output[T]) Begin(after driver.Txn[T]) driver.Txn[T] {
	defer o.alone("Begin", &o.lanes)()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.state.begun++
	t := &txn[T]{o: o, lanes: map[string]laneBase{}, carried: make(chan struct{})}
	if after != nil {
		t.after = after.(*txn[T])
	}
	return t
}

// Open is the number of transactions that were begun and neither committed nor dropped.
func (o *Output[T]) Open() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.state.begun - o.state.ended
}
