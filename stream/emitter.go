package stream

import (
	"slices"
	"time"

	"github.com/onceflow/onceflow/internal/when"
)

// Emitter takes the results of a processor. It belongs to one stage of one lane, is not safe for concurrent use, and
// allocates nothing per event once its buffers have grown.
//
// A record is finished when its batch has passed all stages and no stage holds its Origin. Only then, and all at once,
// do its rows and its fate enter the open transaction; rows of an unfinished record wait in memory.
type Emitter[T any] struct {
	events []Event[T]
	ends   []Outcome
	lane   *laneCore              // nil outside the engine
	look   func(Origin) RecordRef // of another driver
}

// NewEmitter makes an emitter for a driver of processors that numbers origins itself, by NewOrigin; lookup answers
// Lookup. The zero Emitter does for drivers that do not care.
func NewEmitter[T any](lookup func(Origin) RecordRef) *Emitter[T] { return &Emitter[T]{look: lookup} }

// Outcome is what a processor said of an origin beside the events it emitted.
type Outcome struct {
	Kind   OutcomeKind
	Origin Origin
	Into   Origin // Merge only
	Fate   Fate   // Drop only
	Why    string // Drop only
	Err    error  // Reject only
}

// OutcomeKind says which method of the Emitter made an Outcome.
type OutcomeKind uint8

const (
	Held OutcomeKind = iota
	Released
	MergedInto
	Dropped
	Rejected
)

// Emit passes e on. Any number of events may carry one Origin, within one call or several.
func (o *Emitter[T]) Emit(e Event[T]) { o.events = append(o.events, e) }

// place adds an event to be filled in by the caller. It holds anything.
func (o *Emitter[T]) place() *Event[T] {
	n := len(o.events)
	if n == cap(o.events) {
		o.events = append(o.events, Event[T]{})
	}
	o.events = o.events[:n+1]
	return &o.events[n]
}

// Hold keeps origin unfinished until it was released as often as it was held. Its position is committed as held and its
// record is replayed after a restart, so a processor must be able to rebuild its state from its held events.
func (o *Emitter[T]) Hold(origin Origin) {
	o.ends = append(o.ends, Outcome{Kind: Held, Origin: origin})
}

// Release ends one Hold of this processor. What became of the event is said by Emit, Merge, Drop or Reject in the same
// call of the processor.
func (o *Emitter[T]) Release(origin Origin) {
	o.ends = append(o.ends, Outcome{Kind: Released, Origin: origin})
}

// Merge makes origin a part of into: it finishes when into does, in the same transaction, as Merged unless it has rows
// of its own.
func (o *Emitter[T]) Merge(into, origin Origin) {
	o.ends = append(o.ends, Outcome{Kind: MergedInto, Origin: origin, Into: into})
}

// Drop says why origin has no row. It counts if none of its events reaches the output. why is a short constant, a label
// of the counters. An event that is neither emitted nor held nor dropped counts as Filtered.
func (o *Emitter[T]) Drop(origin Origin, f Fate, why string) {
	o.ends = append(o.ends, Outcome{Kind: Dropped, Origin: origin, Fate: f, Why: why})
}

// Reject sends origin to the dead-letter flow, in the same transaction as everything else. It takes back all events of
// that origin that have not been written.
func (o *Emitter[T]) Reject(origin Origin, err error) {
	o.ends = append(o.ends, Outcome{Kind: Rejected, Origin: origin, Err: err})
}

// Take returns what was collected, without the events of origins that were rejected, and clears it; the slices are valid
// until the next call of a method. It is for drivers of processors, such as streamtest.
func (o *Emitter[T]) Take() ([]Event[T], []Outcome) {
	events, ends := o.events, o.ends
	o.events, o.ends = o.events[:0], o.ends[:0]
	var rejected map[Origin]bool
	for i := range ends {
		if ends[i].Kind == Rejected {
			if rejected == nil {
				rejected = map[Origin]bool{}
			}
			rejected[ends[i].Origin] = true
		}
	}
	if rejected != nil {
		events = slices.DeleteFunc(events, func(e Event[T]) bool { return rejected[e.Origin] })
	}
	return events, ends
}

// RecordRef tells where an origin came from.
type RecordRef struct {
	Partition *Partition
	Position  Position
	Replayed  bool // it was held when this lane was adopted, so it had passed every stage before the one that held it
}

// Lookup tells where a live origin came from. Outside the engine it returns the driver's numbering.
func (o *Emitter[T]) Lookup(origin Origin) RecordRef {
	switch {
	case o.lane != nil:
		return o.lane.lookup(origin)
	case o.look != nil:
		return o.look(origin)
	}
	return RecordRef{Partition: &Partition{Source: "test", ID: "0"}, Position: Position{Sub: int64(origin.slot)}}
}

// usable reports whether an event may have the time t.
func (o *Emitter[T]) usable(t time.Time) bool {
	if o.lane == nil {
		return !timeMissing(t) && when.Held(t)
	}
	return o.lane.usable(t)
}

// setTime tells the lane's clocks the times of the oldest and the newest event of a record that Decode found good.
func (o *Emitter[T]) setTime(origin Origin, oldest, newest time.Time) {
	if o.lane != nil {
		o.lane.setTime(origin, oldest, newest)
	}
}
