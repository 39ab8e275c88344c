package sink

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/sink/codec"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// Sink is a [driver.Output] that writes flows to a Store. It may be used as driver.Output and driver.Txn say; one Sink
// serves one run.
type Sink[T any] struct {
	keep  *keeper
	opts  Options
	flows []Flow[T]

	writers    []*flowWriter // by flow
	deadWriter *flowWriter
	workers    int
	budget     *driver.Budget
	keepComps  int32 // compressors that a worker may keep in one transaction

	mu   sync.Mutex
	idle []*router[T] // of transactions that are over
}

var (
	_ driver.Output[int] = (*Sink[int])(nil)
	_ driver.Rememberer  = (*Sink[int])(nil)
	_ driver.Signer      = (*Sink[int])(nil)
)

// Open opens the output of a job, whose name is part of all its control objects. It checks the options and flows,
// telling all that is wrong at once; that the folder is not another job's and was not begun with other options; and that
// the store keeps its contract as far as a few requests can show. It starts nothing and takes nothing over.
func Open[T any](ctx context.Context, store Store, job string, flows []Flow[T], opts *Options) (*Sink[T], error) {
	o := opts.filled()
	if err := errors.Join(checkStore(store), checkName("job", job), o.validate(), validateFlows(flows)); err != nil {
		return nil, fmt.Errorf("sink: cannot open the output of job %q: %w", job, err)
	}
	s := &Sink[T]{opts: o, flows: append([]Flow[T](nil), flows...), deadWriter: newFlowWriter(format.DeadLetters().Ext(), codec.Gzip)}
	var names []string
	for i := range s.flows {
		f := &s.flows[i]
		if f.Codec == nil {
			f.Codec = codec.None
		}
		names = append(names, f.Name)
		s.writers = append(s.writers, newFlowWriter(f.Format.Ext(), f.Codec))
	}
	s.keep = newKeeper(store, env.From(ctx), job, o, names)
	if err := s.keep.check(ctx); err != nil {
		return nil, fmt.Errorf("sink: cannot open the output of job %q: %w", job, err)
	}
	return s, nil
}

// Attach reads the ledger, or begins one.
func (s *Sink[T]) Attach(ctx context.Context, job driver.Job) error {
	s.workers, s.budget = max(job.Workers, 1), job.Budget
	s.keep.budget, s.keep.mayEnd = job.Budget, job.MayEnd
	s.keepComps = keepCompressors
	if limit := s.budget.Limit(); limit > 0 {
		s.keepComps = int32(max(1, min(keepCompressors, limit/4/int64(s.workers)/compressorBytes)))
	}
	if job.Logger != nil {
		s.keep.log = job.Logger
	}
	if err := s.keep.attach(ctx, job); err != nil {
		return fmt.Errorf("sink: job %q: %w", s.keep.job, err)
	}
	return nil
}

// Unfinished is the progress of the partitions that may still give records: see driver.Rememberer.
func (s *Sink[T]) Unfinished() map[record.Partition]driver.Progress { return s.keep.unfinished() }

// Signature names the ledger: see driver.Signer.
func (s *Sink[T]) Signature() string {
	return fmt.Sprintf("onceflow %s %s", s.keep.job, s.keep.state.Genesis.Token) // which never change after Attach
}

// Adopt takes lanes over. While the store fails in a way that may pass, it tries on until ctx ends.
func (s *Sink[T]) Adopt(ctx context.Context, lanes []driver.Assignment) (at map[record.Partition]driver.Progress, err error) {
	err = s.keep.insist(ctx, "adopt lanes", func(ctx context.Context) error {
		at, err = s.keep.adopt(ctx, lanes)
		return err
	})
	return at, err
}

// Tell is driver.Teller's.
func (s *Sink[T]) Tell(ctx context.Context) (map[record.Partition]driver.Standing, error) {
	return s.keep.tell(ctx)
}

// Release forgets lanes.
func (s *Sink[T]) Release(_ context.Context, lanes []string) error {
	s.keep.release(lanes)
	return nil
}

// Begin starts a transaction. Write waits for the Commit of after to have begun, if that has not been settled.
func (s *Sink[T]) Begin(after driver.Txn[T]) driver.Txn[T] {
	var w *work
	if t, ok := after.(*txn[T]); ok {
		w = t.work
	} else if after != nil {
		panic(fmt.Sprintf("sink: Begin on top of a %T, which is not of this sink", after))
	}
	return &txn[T]{work: s.keep.begin(w), sink: s, routers: make([]*router[T], s.workers)}
}

// Maintain publishes what others left behind, closes and seals hours, and sweeps.
func (s *Sink[T]) Maintain(ctx context.Context, list func(context.Context) ([]record.Partition, error)) (driver.Upkeep, error) {
	return s.keep.maintain(ctx, list)
}

// Now is the store's clock, as far as it is believed: see ClockError.
func (s *Sink[T]) Now(ctx context.Context) (time.Time, error) { return s.keep.now(ctx) }

// router returns one that is not in use, so that encoders and maps live on from one transaction to the next.
func (s *Sink[T]) router(set *fileSet) *router[T] {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.idle); n > 0 {
		r := s.idle[n-1]
		s.idle = s.idle[:n-1]
		r.set = set
		return r
	}
	r := &router[T]{
		sink: s, set: set, lot: &lot{keep: s.keepComps}, hours: map[int64]*hourFolders{}, dead: map[int64]*buffer{},
		dropped: make([]int64, len(s.flows)), deadEnc: format.DeadLetters().Open(),
	}
	for i := range s.flows {
		r.encs = append(r.encs, s.flows[i].Format.Open())
	}
	return r
}

func (s *Sink[T]) putBack(rs []*router[T]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range rs {
		if r != nil {
			r.reset(s.budget)
			s.idle = append(s.idle, r)
		}
	}
}

// shedFloor is how much a worker's buffers must hold before they are written out early because the budget is over: it
// may be others who took it, and tiny frames would not help.
func (s *Sink[T]) shedFloor() int64 { return cmp.Or(s.budget.Limit(), 1<<62) / 8 / int64(s.workers) }
