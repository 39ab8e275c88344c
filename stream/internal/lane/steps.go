package lane

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/onceflow/onceflow/internal/eventclock"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// Spec says which lane is opened, and what for.
type Spec[T any] struct {
	driver.Assignment
	From        map[record.Partition]driver.Progress
	Now         func() time.Time // for the times of dead letters
	Wake        func()           // asks for Pull; it may be called by any goroutine
	KeepRecords bool             // dead letters of held records have their bytes
	Scratch     *Scratch         // of the worker
	Worker      int
	Txn         *driver.Txn[T] // the open transaction; the engine exchanges it between batches
}

// Open builds the stages of a lane. After an error nothing is left open.
func Open[T any](chain Chain[T], s Spec[T]) (*Lane, error) {
	c := newLane(stage.Lane{Name: s.Lane, Partitions: slices.Clone(s.Partitions), Now: s.Now, Wake: s.Wake}, chain.Stages, s.From, s.Scratch)
	c.keep, c.elders, c.dirty, c.inOrder = s.KeepRecords, s.Elders, s.Moved, s.InOrder
	r := &rows[T]{core: c, rowScratch: ofRows[T](s.Scratch), last: "output", w: driver.Writer{Lane: s.Lane, Worker: s.Worker}, open: s.Txn}
	c.end = r
	var err error
	if c.in, err = chain.open(c, r.feeds()); err == nil {
		err = c.checkWarmers()
	}
	if err != nil {
		c.Close() //nolint:errcheck // the first error tells more
		return nil, err
	}
	c.watchHolds()
	return c, nil
}

// Warmup is how much event time the stages want to see again.
func (c *Lane) Warmup() (w time.Duration) {
	for i := range c.procs {
		if f := c.procs[i].warmup; f != nil {
			w = max(w, f())
		}
	}
	return w
}

// checkWarmers refuses a stage that is warmed up behind one that holds: warm-up records would be held there for ever.
func (c *Lane) checkWarmers() error {
	for i := range c.procs {
		if c.procs[i].warmup != nil {
			c.warmer = i
		}
	}
	if c.Warmup() <= 0 {
		return nil
	}
	c.warming = true
	for i := range c.warmer {
		if c.stages[i].Holds && c.procs[i].warmup == nil {
			return c.stageError(c.warmer, fmt.Errorf("it wants a warm-up, but %s before it holds records", c.stages[i].Name))
		}
	}
	return nil
}

// stepRecords is how many records of a batch pass the stages at once: few enough that they, and what stages make of them,
// are still in the processor's cache when the next stage looks at them.
const stepRecords = 128

// feed is the batch that a lane is within. Cuts, revocations and the end of the job do not wait for its end: what was not
// processed is no part of a cut, and whoever has the lane next reads it again.
type feed struct {
	batch *driver.Batch
	next  int                 // index of the first record that was not processed
	bad   []driver.DeadLetter // unreadable records that did not take their place yet, by position
}

// Slice handles the next records of a batch, at most stepRecords, and reports whether they were the last. Then it releases
// the batch, now or once all held records are back.
func (c *Lane) Slice(ctx context.Context, b *driver.Batch) (done bool, err error) {
	f := &c.feed
	if f.batch != b {
		*f = feed{batch: b, bad: byPosition(b.Unreadable)}
		if b.WarmDone && !b.Warm {
			if err := c.warmDone(ctx); err != nil {
				return false, err
			}
		}
	}
	from := f.next
	f.next = min(from+stepRecords, len(b.Records))
	done = f.next == len(b.Records)
	if b.Warm {
		err = c.warm(ctx, b, from, f.next, c.in)
		if err == nil && done && b.WarmDone {
			err = c.warmDone(ctx)
		}
	} else {
		err = c.step(ctx, b, from, f.next, done)
	}
	if err != nil || !done {
		return false, err
	}
	*f = feed{}
	c.finishBatch(b)
	return true, nil
}

// Leave forgets that the lane is within b. It must get no batch behind b: positions would be left out.
func (c *Lane) Leave(b *driver.Batch) {
	if c.feed.batch == b {
		c.feed = feed{}
	}
}

// finishBatch gives a batch back that was processed.
func (c *Lane) finishBatch(b *driver.Batch) {
	if b.Warm {
		b.Release()
		return
	}
	c.pinned = append(c.pinned, b)
	if len(c.returned) > 0 { // rows that wait may share bytes with the batches
		return
	}
	for i, b := range c.pinned {
		b.Release()
		c.pinned[i] = nil
	}
	c.pinned = c.pinned[:0]
}

// step handles the records of a batch with indexes from from to below to.
func (c *Lane) step(ctx context.Context, b *driver.Batch, from, to int, last bool) error {
	if err := c.admit(b, from, to); err != nil {
		return err
	}
	if len(c.events) > 0 {
		if err := c.in.run(ctx, c.events); err != nil {
			return err
		}
	}
	if err := c.settle(ctx); err != nil {
		return err
	}
	if last {
		if err := c.endsOf(b); err != nil {
			return err
		}
	}
	if err := c.takeMarks(b); err != nil {
		return err
	}
	if len(c.returned) > 0 && c.replaying == 0 {
		if err := c.allBack(ctx); err != nil {
			return err
		}
	}
	if err := c.advance(ctx); err != nil {
		return err
	}
	c.endBatch()
	return nil
}

// warmDone ends the warm-up.
func (c *Lane) warmDone(ctx context.Context) error {
	c.warming = false
	return c.advance(ctx)
}

// Begin is called once before the first batch: a lane that has nothing to wait for may have event time to tell.
func (c *Lane) Begin(ctx context.Context) error { return c.advance(ctx) }

// allBack lets the records that came back finish, now that all have.
func (c *Lane) allBack(ctx context.Context) error {
	for _, i := range c.returned {
		c.slots.slots[c.slots.root(i)].holds--
	}
	c.touched = append(c.touched, c.returned...)
	c.returned = c.returned[:0]
	return c.settle(ctx)
}

// endsOf takes in what else a batch says of its partitions.
func (c *Lane) endsOf(b *driver.Batch) error {
	c.noteArrivals(b)
	for _, e := range b.Passed {
		i, ok := c.byID[e.Partition]
		if !ok {
			return fmt.Errorf("%w: it passed positions of %v, which is no partition of lane %s", ErrSource, e.Partition, c.lane.Name)
		}
		if p := &c.parts[i]; e.UpTo.After(p.upTo) {
			p.upTo = e.UpTo // without dirty: alone it is no reason to commit
		}
	}
	for _, e := range b.Ended {
		i, ok := c.byID[e.Partition]
		if !ok {
			return fmt.Errorf("%w: %v ended, which is no partition of lane %s", ErrSource, e.Partition, c.lane.Name)
		}
		p := &c.parts[i]
		if len(p.replay) > 0 {
			return fmt.Errorf("%w: %v ended before %d of its held records were back", ErrSource, p.id, len(p.replay))
		}
		if !p.ended {
			p.ended, p.child, c.dirty = true, e.Children, true
			if len(e.Children) == 0 {
				p.clock.Confirm(c.now)
			} else {
				p.clock.Jump = eventclock.Jump{} // children begin with what is certain, and confirm it for themselves
			}
			c.replace(p)
		}
	}
	return nil
}

// noteArrivals takes down when the newest records of a batch that were processed came.
func (c *Lane) noteArrivals(b *driver.Batch) {
	for i := range c.parts {
		if p := &c.parts[i]; p.newest > 0 {
			p.arrived = later(p.arrived, c.arrivalOf(&b.Records[p.newest-1]))
			p.newest = 0
		}
	}
}

// Pull lets the stages take in what other goroutines made.
func (c *Lane) Pull(ctx context.Context) error {
	for i := range c.procs {
		if f := c.procs[i].pull; f != nil {
			if err := f(ctx); err != nil {
				return err
			}
		}
	}
	if err := c.settle(ctx); err != nil {
		return err
	}
	return c.advance(ctx)
}

// Committed tells the stages the committed clocks.
func (c *Lane) Committed(ctx context.Context, k record.Clocks) error {
	for i := range c.procs {
		if f := c.procs[i].committed; f != nil {
			if err := f(ctx, k); err != nil {
				return err
			}
		}
	}
	return nil
}

// Cut returns the lane's progress since the last cut, and begins the next. It returns false if there is none, and while
// held records are coming back. The lane may be within a batch.
func (c *Lane) Cut() (Cut, bool, error) {
	if !c.dirty || c.replaying > 0 || len(c.returned) > 0 {
		return Cut{}, false, nil
	}
	if c.feed.batch != nil {
		c.noteArrivals(c.feed.batch)
	}
	c.dropSpent()
	n := len(c.parts)
	cut := Cut{LaneCut: driver.LaneCut{
		Lane: c.lane.Name, Partitions: make(map[record.Partition]driver.Progress, n),
		Counts: make(map[record.Partition]record.Counts, n), Read: make(map[record.Partition]int64, n),
	}}
	for i := range c.parts {
		p := &c.parts[i]
		g, err := p.progress(&c.slots)
		if err != nil {
			return Cut{}, false, err
		}
		cut.Partitions[p.id], cut.Counts[p.id], cut.Read[p.id] = g, p.counts, p.read
		p.base, p.counts, p.read, p.told = g, record.Counts{}, 0, p.ended
	}
	c.reasons.take(&cut)
	c.dirty = false
	return cut, true, nil
}
