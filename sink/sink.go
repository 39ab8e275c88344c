package sink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
	storage "github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/internal/clock"
	"github.com/onceflow/onceflow/sink/internal/files"
	"github.com/onceflow/onceflow/sink/internal/place"
	"github.com/onceflow/onceflow/sink/internal/retry"
	transactions "github.com/onceflow/onceflow/sink/internal/txn"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// Store is an object store, or a folder: sink/file, sink/s3 and sink/gcs open one. Package sink/driver says what one must
// do.
type Store = storage.Store

// Sink is a [driver.Output] that writes flows to a Store. Use it as driver.Output and driver.Txn say. One Sink serves one
// run.
type Sink[T any] struct {
	opts  Options
	place *place.Place
	names []string // of the flows, sorted
	flows []files.Flow[T]
	seal  *SealOptions // nil: hours are not closed

	// Attach sets what follows.
	pool  *files.Pool[T]
	rooms *rooms
	seen  seen // what others may look at meanwhile
}

var _ driver.Output[int] = (*Sink[int])(nil)

// Open opens the output of a job, whose name is part of all its control objects. It checks the options and flows, and
// reports all faults at once. It checks that the folder is not another job's and was not begun with other options. A few
// requests probe whether the store keeps its contract. Open starts nothing and takes nothing over.
func Open[T any](ctx context.Context, store Store, job string, flows []Flow[T], opts *Options) (*Sink[T], error) {
	o := opts.filled()
	if err := errors.Join(checkStore(store), checkName("job", job), o.validate(), validateFlows(flows, &o)); err != nil {
		return nil, fmt.Errorf("sink: cannot open the output of job %q: %w", job, err)
	}
	s := &Sink[T]{opts: o}
	for i := range flows {
		s.names = append(s.names, flows[i].Name)
		s.flows = append(s.flows, flows[i].files())
	}
	slices.Sort(s.names)
	at := place.Options{Prefix: o.Prefix, Flows: s.names, Hour: o.Hour, Start: o.Start, Shared: o.Shared}
	var err error
	if s.place, err = place.Open(ctx, store, job, at); err != nil {
		return nil, fmt.Errorf("sink: cannot open the output of job %q: %w", job, err)
	}
	return s, nil
}

// output is what does not depend on the type of events.
func (s *Sink[T]) output() output {
	out := output{names: s.names}
	for i := range s.flows {
		out.known.Codecs = append(out.known.Codecs, s.flows[i].Codec)
		if j, ok := s.flows[i].Format.(format.Joiner); ok {
			out.known.Joins = append(out.known.Joins, j.Join())
		}
		out.merges = out.merges || s.flows[i].Merge
	}
	return out
}

// Attach reads the ledger, or begins one.
func (s *Sink[T]) Attach(ctx context.Context, job driver.Job) error {
	if job.Logger == nil {
		job.Logger = slog.New(slog.DiscardHandler)
	}
	s.pool = files.NewPool(files.Config[T]{
		Layout: s.opts.layout(s.place.Folder.Job, s.place.Folder.Objects.Root), Flows: s.flows, Workers: max(job.Workers, 1), Budget: job.Budget, Env: s.place.Env,
	})
	rooms, err := attach(ctx, s.place, &s.opts, s.output(), &job, s.seal)
	if err != nil {
		return fmt.Errorf("sink: job %q: %w", s.place.Folder.Job, err)
	}
	s.rooms = rooms
	s.seen.rooms.Store(rooms)
	return nil
}

// Ledger tells of the ledger.
func (s *Sink[T]) Ledger() driver.Ledger {
	return driver.Ledger{
		Signature:  fmt.Sprintf("onceflow %s %s", s.place.Folder.Job, s.rooms.journal.Genesis().Token),
		Unfinished: s.unfinished, Tell: s.tell,
	}
}

// unfinished returns the progress of partitions that have been begun and may still give records: see driver.Ledger.
func (s *Sink[T]) unfinished() map[record.Partition]driver.Progress {
	all := map[record.Partition]driver.Progress{}
	s.rooms.journal.Look(func(state *ledger.State) {
		for p, st := range state.Lanes.Partitions {
			if !st.Retired && (!st.Progress.Ended || st.PendingLen > 0) {
				pr := st.Progress
				pr.Pending = driver.PendingSet{}
				all[p] = pr
			}
		}
	})
	return all
}

// Acquire takes lanes over. It retries errors of the store that may pass, until ctx ends.
func (s *Sink[T]) Acquire(ctx context.Context, lanes []driver.Assignment) (at map[record.Partition]driver.Progress, err error) {
	err = retry.Insist(ctx, s.place.Env, s.rooms.journal.Log, "acquire lanes", func(ctx context.Context) error {
		at, err = s.rooms.lanes.Acquire(ctx, lanes)
		return err
	})
	return at, err
}

// tell says what is committed of all partitions: see driver.Ledger.
func (s *Sink[T]) tell(ctx context.Context) (map[record.Partition]driver.Standing, error) {
	out := map[record.Partition]driver.Standing{}
	err := s.rooms.journal.ReadAnd(ctx, func(state *ledger.State) error {
		for p, st := range state.Lanes.Partitions {
			g := &st.Progress
			out[p] = driver.Standing{
				Lane: st.Lane, UpTo: g.UpTo, MaxEventTime: g.MaxEventTime, Arrived: g.Arrived, Ended: g.Ended, Holds: st.PendingLen > 0, Retired: st.Retired,
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Release forgets lanes.
func (s *Sink[T]) Release(_ context.Context, lanes []string) error {
	s.rooms.lanes.Release(lanes)
	return nil
}

// Begin starts a transaction. If after is not settled, Write waits until its Commit has begun.
func (s *Sink[T]) Begin(after driver.Txn[T]) driver.Txn[T] {
	var before *transactions.Txn
	if t, ok := after.(*txn[T]); ok {
		before = t.work
	} else if after != nil {
		panic(fmt.Sprintf("sink: Begin on top of a %T, which is not of this sink", after))
	}
	work := s.rooms.lanes.Begin(before)
	return &txn[T]{work: work, writers: s.pool.Writers(work.Set())}
}

// Maintain publishes what others left behind, closes and seals hours, and sweeps.
func (s *Sink[T]) Maintain(ctx context.Context, list func(context.Context) ([]record.Partition, error)) (driver.Upkeep, error) {
	return s.rooms.house.maintain(ctx, list)
}

// ClockError says that the store's clock is in doubt. It is in stream.Status.Unclosed.
type ClockError = clock.Error

// Now is the store's clock, as far as it is believed: see ClockError.
func (s *Sink[T]) Now(ctx context.Context) (at, latest time.Time, err error) {
	at, err = s.place.Clock.Now(ctx, s.rooms.journal.Log, s.rooms.journal.View().At)
	return at, s.place.Clock.Latest(), err
}
