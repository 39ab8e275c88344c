package lane

import (
	"context"
	"slices"
	"time"

	"github.com/onceflow/onceflow/internal/when"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/internal/reasons"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// Lane is the engine's part of a lane, and the door of this package. It is not safe for concurrent use. It calls the parts
// of a lane in order for each batch: intake makes events of records, the stages pass them on to the rows, and flight
// finishes the records that nobody holds. The clocks of the partitions advance with them.
type Lane struct {
	parts  partitions
	clocks clocks
	flight flight
	intake intake
	stages stages
	in     feeds[record.Record] // the first stage
}

// Spec says which lane is opened, and what for.
type Spec[T any] struct {
	driver.Assignment
	From        map[record.Partition]driver.Progress
	Now         func() time.Time  // for the times of dead letters
	Wake        func()            // asks for Pull; it may be called by any goroutine
	KeepRecords bool              // dead letters of pending records have their bytes
	Source      driver.SourceInfo // prints positions
	Scratch     *Scratch          // of the worker
	Worker      int
	Txn         *driver.Txn[T] // the open transaction; the engine replaces it between slices
}

// Cut is a lane's part of a cut, with what the engine reports elsewhere.
type Cut struct {
	driver.LaneCut
	Reasons  map[record.Reason]int64
	Examples []*reasons.Example
}

// OutputError is an error of writing to the open transaction. It spoils that transaction, with all that stages and lanes
// did since it began, and nothing else.
type OutputError struct{ err error }

func (e *OutputError) Error() string { return e.err.Error() }

// Unwrap returns what the output said.
func (e *OutputError) Unwrap() error { return e.err }

// Open builds the stages of a lane. After an error nothing is left open.
func Open[T any](chain Chain[T], s Spec[T]) (*Lane, error) {
	l := &Lane{parts: newPartitions(s.Assignment, s.From)}
	l.clocks = clocks{parts: &l.parts, slots: &l.flight.slots, flight: &l.flight, inOrder: s.InOrder}
	l.flight = flight{
		parts: &l.parts, scratch: s.Scratch, now: s.Now, keep: s.KeepRecords, source: s.Source,
		deaths: map[uint32]driver.DeadLetter{}, kept: map[uint32]record.Record{}, reasons: reasons.New(),
	}
	l.intake = intake{parts: &l.parts, clocks: &l.clocks, flight: &l.flight, scratch: s.Scratch, replaying: l.parts.replaying()}
	lane := stage.Lane{
		Name: s.Lane, Partitions: slices.Clone(s.Partitions), Reached: l.reached(), Now: s.Now, Wake: s.Wake, Host: &l.clocks,
	}
	l.stages = newStages(lane, chain.Stages, &l.flight)
	r := &rows[T]{stages: &l.stages, flight: &l.flight, scratch: ofRows[T](s.Scratch), w: driver.Writer{Lane: s.Lane, Worker: s.Worker}, open: s.Txn}
	l.flight.end = r
	var err error
	if l.in, err = chain.open(&l.stages, r.feeds()); err == nil {
		err = l.stages.checkWarmers()
	}
	if err != nil {
		l.Close() //nolint:errcheck // the first error tells more
		return nil, err
	}
	l.intake.warming = l.stages.warmup() > 0
	l.stages.watchHolds()
	return l, nil
}

// Close closes the stages. Nothing else may be called after it.
func (l *Lane) Close() error {
	err := l.stages.close()
	l.intake.unpin()
	return err
}

// Warmup is how much event time the stages want to see again.
func (l *Lane) Warmup() time.Duration { return l.stages.warmup() }

// WarmFrom is the event time from which on the stages want to see finished records again. Zero is from the first record on.
func (l *Lane) WarmFrom() time.Time {
	if at := l.stages.lane.Reached; !at.IsZero() {
		return at.Add(-l.stages.warmup())
	}
	return time.Time{}
}

// reached is where a warm-up reaches back from, before the first record: the lane's slowest partition, since what is still to
// come there may need records of those that are ahead, or the oldest pending record, which passes the stages once more.
func (l *Lane) reached() time.Time {
	at := l.clocks.eventTime()
	for i := range l.parts.list {
		if g := &l.parts.list[i].base; g.Pending.Len() > 0 && !g.PendingTime.IsZero() {
			at = when.Earlier(at, g.PendingTime)
		}
	}
	return at
}

// At sets the time for the next call that works on records. No record moves a clock beyond now, which is by the output's
// clock. oldest and limit bound event times. Zero is none.
func (l *Lane) At(now, oldest, limit time.Time) {
	l.clocks.now, l.clocks.oldest, l.clocks.limit = now, oldest, limit
}

// Begin is called once before the first batch. A lane without pending records may have event time to tell at once.
func (l *Lane) Begin(ctx context.Context) error { return l.advance(ctx) }

// stepRecords is how many records of a batch pass the stages at once: so few that they, and what stages make of them, are
// still in the processor's cache at the next stage.
const stepRecords = 128

// Slice handles the next records of a batch, at most stepRecords, and reports whether they were the last. If so it releases
// the batch, now or once all pending records are back.
func (l *Lane) Slice(ctx context.Context, b *driver.Batch) (done bool, err error) {
	in := &l.intake
	if in.within(b) && b.WarmDone && !b.Warm {
		if err := l.warmDone(ctx); err != nil {
			return false, err
		}
	}
	from := in.next
	in.next = min(from+stepRecords, len(b.Records))
	done = in.next == len(b.Records)
	if b.Warm {
		err = l.warm(ctx, b, from, in.next)
		if err == nil && done && b.WarmDone {
			err = l.warmDone(ctx)
		}
	} else {
		err = l.step(ctx, b, from, in.next, done)
	}
	if err != nil || !done {
		return false, err
	}
	in.leave()
	in.giveBack(b)
	return true, nil
}

// Leave forgets that the lane is within b. The lane must get no later batch, since the rest of b would be left out.
func (l *Lane) Leave(b *driver.Batch) {
	if l.intake.batch == b {
		l.intake.leave()
	}
}

// step handles the records of a batch with indexes from from up to to, exclusive.
func (l *Lane) step(ctx context.Context, b *driver.Batch, from, to int, last bool) error {
	if err := l.intake.admit(b, from, to); err != nil {
		return err
	}
	if events := l.intake.scratch.events; len(events) > 0 {
		if err := l.in.run(ctx, events); err != nil {
			return err
		}
	}
	if err := l.flight.settle(ctx); err != nil {
		return err
	}
	if to > from {
		l.clocks.gave = l.clocks.now
	}
	if last {
		l.clocks.noteArrivals(b)
		if err := l.clocks.arrive(b.Arrivals); err != nil {
			return err
		}
		if err := l.parts.pass(b.Passed); err != nil {
			return err
		}
		if err := l.parts.end(b.Ended, l.clocks.now); err != nil {
			return err
		}
	}
	if err := l.parts.takeMarks(b.Marks); err != nil {
		return err
	}
	if l.intake.allBack() {
		if err := l.flight.settle(ctx); err != nil {
			return err
		}
	}
	if err := l.advance(ctx); err != nil {
		return err
	}
	l.flight.endBatch()
	return nil
}

// warm passes warm-up records with indexes from from up to to, exclusive, through the stages that want them. They leave no
// other trace.
func (l *Lane) warm(ctx context.Context, b *driver.Batch, from, to int) error {
	if err := l.intake.admitWarm(b, from, to); err != nil {
		return err
	}
	err := l.in.warm(ctx, l.intake.scratch.events)
	l.flight.endWarm()
	return err
}

// warmDone ends the warm-up.
func (l *Lane) warmDone(ctx context.Context) error {
	l.intake.warming = false
	return l.advance(ctx)
}

// advance tells the stages how far event time has got, once all pending records are back.
func (l *Lane) advance(ctx context.Context) error {
	if !l.intake.ready() {
		return nil
	}
	eventTime := l.clocks.eventTime()
	if eventTime.IsZero() {
		return nil
	}
	if err := l.stages.advance(ctx, eventTime); err != nil {
		return err
	}
	return l.flight.settle(ctx)
}

// Pull lets the stages take in what other goroutines made.
func (l *Lane) Pull(ctx context.Context) error {
	if err := l.stages.pull(ctx); err != nil {
		return err
	}
	if err := l.flight.settle(ctx); err != nil {
		return err
	}
	return l.advance(ctx)
}

// Idle returns the positions of partitions whose clocks are behind and that gave no record since its last call, or whose
// lane gave none for a moment. now is by the output's clock.
func (l *Lane) Idle(now time.Time) map[record.Partition]record.Position {
	return l.clocks.idle(now, l.intake.ready())
}

// AtRest returns when the last of the lane's partitions was found at its end. It returns false if one has not been found at
// its end since its last record. The engine calls it before each question for ends.
func (l *Lane) AtRest() (since time.Time, all bool) { return l.clocks.atRest(l.intake.ready()) }

// Prove moves the clock of a partition whose log had no further record at the time at. live is false in a backfill.
func (l *Lane) Prove(ctx context.Context, id record.Partition, at time.Time, live bool, r Rest) error {
	if l.intake.ready() {
		l.clocks.proved(id, at, live, r)
	}
	return l.advance(ctx)
}

// Committed tells the stages the committed clocks.
func (l *Lane) Committed(ctx context.Context, k record.Clocks) error {
	return l.stages.committed(ctx, k)
}

// Cut returns the lane's progress since the last cut, and begins the next. It returns false if nothing has changed, and
// while pending records are coming back. The lane may be within a batch.
func (l *Lane) Cut() (Cut, bool, error) {
	if !l.parts.dirty || l.intake.replaying > 0 || len(l.intake.returned) > 0 {
		return Cut{}, false, nil
	}
	if b := l.intake.batch; b != nil {
		l.clocks.noteArrivals(b)
	}
	cut, err := l.parts.cut(&l.flight.slots)
	if err != nil {
		return Cut{}, false, err
	}
	cut.Notes, cut.Followed = l.flight.notes(), len(l.flight.noters) > 0
	why, examples := l.flight.reasons.Take()
	return Cut{LaneCut: cut, Reasons: why, Examples: examples}, true, nil
}
