package lane

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// Lane is the engine's part of a lane: which records are in flight or held, when they finish and as what, the clocks
// and the progress. It starts no goroutine and reads no clock but Lane.Now, for the times of dead letters. It is not
// safe for concurrent use.
//
// A record finishes when its batch has passed all stages and nobody holds it or what it was merged into. While held
// records of the base are still coming back nothing finishes and the lane is no part of a cut: until they are back, the
// ledger's view of the lane stays as it is.
type Lane struct {
	lane    stage.Lane
	stages  []stage.Traits
	procs   []processor // by stage
	decodes bool        // a stage sets event times
	claimer int         // last stage that must not have a holder before it; -1 is none
	warmer  int         // last stage that is warmed up; -1 is none
	keep    bool        // Options.KeepRecords
	limit   time.Time   // event times after it are rejected; zero is none
	now     time.Time   // of the output's clock, as the engine knows it: no record moves a clock beyond; zero is none
	oldest  time.Time   // and those before it

	parts   []part
	inOrder bool               // Assignment.InOrder
	past    time.Time          // newest clock of the partitions that were dropped
	elders  []record.Partition // outside the lane, of whose records a warm-up may speak
	byPtr   map[*record.Partition]uint32
	byID    map[record.Partition]uint32
	lastID  *record.Partition // of the last record, and its index
	lastAt  uint32

	*Scratch
	in      feeds[record.Record] // the first stage
	feed    feed
	slots   slotTable
	records []record.Record // of the batch in progress
	end     rowKeeper
	dead    []driver.DeadLetter
	deaths  map[uint32]driver.DeadLetter // why slots were rejected
	kept    map[uint32]record.Record     // of held records

	warming   bool
	replaying int // held records of the base that are not back
	returned  []uint32
	pinned    []*driver.Batch // of records that came back, until all are: their rows wait

	advanced []time.Time  // by stage
	fed      []bool       // by stage: it may have got events since it was told advanced
	times    []*heldTimes // by stage; nil where no later stage wants to know

	reasons   reasons
	dirty     bool
	heldBytes int64
	redeliver int64 // records that came again
	oddTimes  int64 // of records, that were taken for none
	read      int64 // records, since the lane was opened
}

// rowKeeper is the typed end of a lane: it keeps rows of unfinished records and writes those of finished ones.
type rowKeeper interface {
	waiting() int
	unstash(ctx context.Context, finished []uint32) error
	reject(ctx context.Context, dead []driver.DeadLetter) error
}

// OutputError is an error of writing to the open transaction. That transaction is spoilt, and all that stages and lanes
// did since its beginning with it, but nothing else is.
type OutputError struct{ err error }

func (e *OutputError) Error() string { return e.err.Error() }
func (e *OutputError) Unwrap() error { return e.err }

// errOrigin is why a stage that speaks of the wrong record is stopped.
var errOrigin = errors.New("the origin is finished or was never given")

// newLane makes the core of a lane that begins at from.
func newLane(lane stage.Lane, stages []stage.Traits, from map[record.Partition]driver.Progress, s *Scratch) *Lane {
	c := &Lane{
		lane: lane, stages: stages, claimer: -1, warmer: -1, Scratch: s,
		byPtr: map[*record.Partition]uint32{}, byID: map[record.Partition]uint32{},
		deaths: map[uint32]driver.DeadLetter{}, kept: map[uint32]record.Record{},
		procs: make([]processor, len(stages)), advanced: make([]time.Time, len(stages)), fed: make([]bool, len(stages)),
		times:   make([]*heldTimes, len(stages)),
		reasons: newReasons(),
	}
	c.lane.Host = c
	for i, s := range stages {
		if s.ClaimsFirst {
			c.claimer = i
		}
	}
	for i, id := range lane.Partitions {
		c.byID[id] = uint32(i)
		c.parts = append(c.parts, newPart(id, from[id]))
		c.replaying += len(c.parts[i].replay)
	}
	for i := range c.parts {
		c.replace(&c.parts[i])
	}
	return c
}

// replace looks whether the children of a partition are in the lane.
func (c *Lane) replace(p *part) {
	p.replaced = !slices.ContainsFunc(p.child, func(q record.Partition) bool { _, ok := c.byID[q]; return !ok })
}

// partition returns the index of a record's partition.
func (c *Lane) partition(id *record.Partition) (uint32, error) {
	if id == c.lastID && id != nil {
		return c.lastAt, nil
	}
	if id == nil {
		return 0, errors.New("a record has no partition")
	}
	i, ok := c.byPtr[id]
	if !ok {
		if i, ok = c.byID[*id]; !ok {
			return 0, fmt.Errorf("a record of %v, which is no partition of lane %s", *id, c.lane.Name)
		}
		if len(c.byPtr) >= 1024 { // a source that makes a new pointer for each batch must not fill the memory
			clear(c.byPtr)
		}
		c.byPtr[id] = i
	}
	c.lastID, c.lastAt = id, i
	return i, nil
}

// Lookup tells where a live origin came from.
func (c *Lane) Lookup(o record.Origin) record.Ref {
	s := c.slots.get(o)
	if s == nil {
		return record.Ref{}
	}
	if n := len(c.parts); int(s.part) >= n {
		return record.Ref{Partition: &c.elders[int(s.part)-n], Position: s.pos}
	}
	return record.Ref{Partition: &c.parts[s.part].id, Position: s.pos, Replayed: s.flags&flagReplayed != 0}
}

// apply takes what a stage said of origins. It returns whether it rejected some.
func (c *Lane) apply(st int, ends []stage.Outcome) (rejected bool, err error) {
	for i := range ends {
		e := &ends[i]
		s := c.slots.get(e.Origin)
		if s == nil {
			return false, c.stageError(st, errOrigin)
		}
		switch e.Kind {
		case stage.Held:
			if st < c.claimer {
				return false, c.stageError(st, fmt.Errorf("it holds a record in front of %s, which decides who is first", c.stages[c.claimer].Name))
			}
			c.slots.slots[c.slots.root(slotOf(e.Origin))].holds++
			if c.times[st] != nil {
				c.times[st].add(s.seen)
			}
		case stage.Released:
			r := &c.slots.slots[c.slots.root(slotOf(e.Origin))]
			if r.holds--; r.holds < 0 {
				return false, c.stageError(st, errors.New("it released a record that it did not hold"))
			}
			if c.times[st] != nil {
				c.times[st].remove(s.seen)
			}
			c.touched = append(c.touched, slotOf(e.Origin))
		case stage.MergedInto:
			if c.slots.get(e.Into) == nil {
				return false, c.stageError(st, errOrigin)
			}
			s.flags |= flagMerged
			c.slots.merge(slotOf(e.Into), slotOf(e.Origin))
			c.touched = append(c.touched, slotOf(e.Origin))
		case stage.Dropped:
			s.flags |= flagDropped
			s.fate = e.Fate
			if s.flags&flagBad == 0 { // else it is dead, whatever else is said
				s.why = c.reasons.index(e.Fate, e.Why)
			}
		case stage.Rejected:
			c.reject(slotOf(e.Origin), driver.DeadLetter{Stage: c.stages[st].Name, Err: e.Err})
			rejected = true
		}
	}
	return rejected, nil
}

// reject marks a slot. The first reason stays.
func (c *Lane) reject(i uint32, why driver.DeadLetter) {
	s := &c.slots.slots[i]
	if s.flags&flagRejected == 0 {
		s.flags |= flagRejected
		c.deaths[i] = why
	}
}

// endBatch takes down what the records of a batch that are not finished need to be known later.
func (c *Lane) endBatch() {
	if c.slots.live > 0 { // else all are finished
		for _, i := range c.batch {
			s := &c.slots.slots[i]
			if s.flags&flagLive == 0 {
				continue
			}
			if s.rec >= 0 {
				r := &c.records[s.rec]
				s.bytes = uint32(min(len(r.Key)+len(r.Value)+RecordOverhead, 1<<31))
				if c.keep {
					c.kept[i] = r.Clone()
				}
			}
			s.rec = -1
			c.heldBytes += int64(s.bytes)
			c.slots.link(&c.parts[s.part].held, i)
		}
	}
	c.batch, c.records = c.batch[:0], nil
	c.giveBack()
}

// RecordOverhead is about what a held record costs beside its bytes: its slot, and what the stage keeps.
const RecordOverhead = 200

// Close closes the processors, the last stage first.
func (c *Lane) Close() error {
	var errs []error
	for _, p := range slices.Backward(c.procs) {
		if p.close != nil {
			errs = append(errs, p.close())
		}
	}
	for _, b := range c.pinned {
		b.Release()
	}
	c.pinned = nil
	return errors.Join(errs...)
}
