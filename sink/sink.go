package sink

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/sink/internal/files"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// Sink is a [driver.Output] that writes flows to a Store. It may be used as driver.Output and driver.Txn say; one Sink
// serves one run.
type Sink[T any] struct {
	keep  *keeper
	flows []files.Flow[T]
	pool  *files.Pool[T] // set by Attach
}

var _ driver.Output[int] = (*Sink[int])(nil)

// Open opens the output of a job, whose name is part of all its control objects. It checks the options and flows,
// telling all that is wrong at once; that the folder is not another job's and was not begun with other options; and that
// the store keeps its contract as far as a few requests can show. It starts nothing and takes nothing over.
func Open[T any](ctx context.Context, store Store, job string, flows []Flow[T], opts *Options) (*Sink[T], error) {
	o := opts.filled()
	if err := errors.Join(checkStore(store), checkName("job", job), o.validate(), validateFlows(flows)); err != nil {
		return nil, fmt.Errorf("sink: cannot open the output of job %q: %w", job, err)
	}
	s := new(Sink[T])
	var names []string
	for i := range flows {
		names = append(names, flows[i].Name)
		s.flows = append(s.flows, flows[i].files())
	}
	s.keep = newKeeper(store, env.From(ctx), job, o, names)
	if err := s.keep.check(ctx); err != nil {
		return nil, fmt.Errorf("sink: cannot open the output of job %q: %w", job, err)
	}
	return s, nil
}

// Attach reads the ledger, or begins one.
func (s *Sink[T]) Attach(ctx context.Context, job driver.Job) error {
	s.pool = files.NewPool(files.Config[T]{
		Layout: s.keep.opts.layout(), Flows: s.flows, Workers: max(job.Workers, 1), Budget: job.Budget, Env: s.keep.env,
	})
	s.keep.budget, s.keep.mayEnd = job.Budget, job.MayEnd
	if job.Logger != nil {
		s.keep.log = job.Logger
	}
	if err := s.keep.attach(ctx, job); err != nil {
		return fmt.Errorf("sink: job %q: %w", s.keep.job, err)
	}
	return nil
}

// Ledger tells of the ledger.
func (s *Sink[T]) Ledger() driver.Ledger {
	return driver.Ledger{
		Signature:  fmt.Sprintf("onceflow %s %s", s.keep.job, s.keep.state.Genesis.Token), // which never change after Attach
		Unfinished: s.keep.unfinished, Tell: s.keep.tell,
	}
}

// Adopt takes lanes over. While the store fails in a way that may pass, it tries on until ctx ends.
func (s *Sink[T]) Adopt(ctx context.Context, lanes []driver.Assignment) (at map[record.Partition]driver.Progress, err error) {
	err = s.keep.insist(ctx, "adopt lanes", func(ctx context.Context) error {
		at, err = s.keep.adopt(ctx, lanes)
		return err
	})
	return at, err
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
	t := &txn[T]{work: s.keep.begin(w)}
	t.writers = s.pool.Writers(t.set)
	return t
}

// Maintain publishes what others left behind, closes and seals hours, and sweeps.
func (s *Sink[T]) Maintain(ctx context.Context, list func(context.Context) ([]record.Partition, error)) (driver.Upkeep, error) {
	return s.keep.maintain(ctx, list)
}

// Now is the store's clock, as far as it is believed: see ClockError.
func (s *Sink[T]) Now(ctx context.Context) (at, latest time.Time, err error) {
	at, err = s.keep.now(ctx)
	return at, s.keep.clock.last(), err
}
