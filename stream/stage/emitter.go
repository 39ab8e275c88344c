package stage

import (
	"slices"

	"github.com/onceflow/onceflow/stream/record"
)

// Emitter takes the results of a processor. It belongs to one stage of one lane, is not safe for concurrent use, and
// allocates nothing per event once its buffers have grown.
//
// A record is finished when its batch has passed all stages and no stage holds its Origin. Only then, and all at once,
// do its rows and its fate enter the open transaction; rows of an unfinished record wait in memory.
type Emitter[T any] struct {
	events []record.Event[T]
	ends   []Outcome
	host   Host // nil numbers
}

// NewEmitter makes an emitter of a lane that host drives. Drivers without a host use the zero Emitter: its origins are
// those of record.NewOrigin.
func NewEmitter[T any](host Host) *Emitter[T] { return &Emitter[T]{host: host} }

// Outcome is what a processor said of an origin, apart from the events it emitted.
type Outcome struct {
	Kind   OutcomeKind
	Origin record.Origin
	Into   record.Origin // Merge only
	Fate   record.Fate   // Drop only
	Why    string        // Drop only
	Err    error         // Reject only
}

// OutcomeKind says which method of the Emitter made an Outcome.
type OutcomeKind uint8

const (
	Pending OutcomeKind = iota
	Released
	MergedInto
	Dropped
	Rejected
)

// Emit passes e on. Any number of events may carry one Origin, within one call or several.
func (o *Emitter[T]) Emit(e record.Event[T]) { o.events = append(o.events, e) }

// EmitAll passes all of in on, and returns what it passed on, valid until the next call of a method: who changes values
// without changing those of in does it there. It copies them at once, which is cheaper than one by one.
func (o *Emitter[T]) EmitAll(in []record.Event[T]) []record.Event[T] {
	n := len(o.events)
	o.events = append(o.events, in...)
	return o.events[n:]
}

// Place adds an event that the caller must fill in completely: it holds arbitrary old data. The pointer is valid until the
// next call of a method. A stage that makes an event of each record saves a copy this way.
func (o *Emitter[T]) Place() *record.Event[T] {
	n := len(o.events)
	if n == cap(o.events) {
		o.events = append(o.events, record.Event[T]{})
	}
	o.events = o.events[:n+1]
	return &o.events[n]
}

// Unplace takes back the last event. It must come from Place, in the same call of the processor.
func (o *Emitter[T]) Unplace() { o.events = o.events[:len(o.events)-1] }

// Hold keeps origin unfinished until it was released as often as it was held. Its position is committed as pending, and a
// restart replays its record. So a processor must be able to rebuild its state from its pending events.
func (o *Emitter[T]) Hold(origin record.Origin) {
	o.ends = append(o.ends, Outcome{Kind: Pending, Origin: origin})
}

// Release ends one Hold of this processor. In the same call the processor says with Emit, Merge, Drop or Reject what became
// of the event.
func (o *Emitter[T]) Release(origin record.Origin) {
	o.ends = append(o.ends, Outcome{Kind: Released, Origin: origin})
}

// Merge makes origin a part of into. It finishes when into does, in the same transaction. Its fate is Merged unless it has
// rows of its own.
func (o *Emitter[T]) Merge(into, origin record.Origin) {
	o.ends = append(o.ends, Outcome{Kind: MergedInto, Origin: origin, Into: into})
}

// Drop says why origin has no row. It counts only if none of origin's events reaches the output. why is a short constant, a
// label of the counters. An event that is neither emitted nor held nor dropped counts as Filtered.
func (o *Emitter[T]) Drop(origin record.Origin, f record.Fate, why string) {
	o.ends = append(o.ends, Outcome{Kind: Dropped, Origin: origin, Fate: f, Why: why})
}

// Reject sends origin to the dead-letter flow, in the same transaction as everything else. It takes back all events of
// origin that have not been written.
func (o *Emitter[T]) Reject(origin record.Origin, err error) {
	o.ends = append(o.ends, Outcome{Kind: Rejected, Origin: origin, Err: err})
}

// Lookup returns where a live origin came from. Without a host it returns the number of the origin.
func (o *Emitter[T]) Lookup(origin record.Origin) record.Ref { return o.Host().Lookup(origin) }

// Host is who drives the lane.
func (o *Emitter[T]) Host() Host {
	if o.host == nil {
		return LookupFunc(numbered)
	}
	return o.host
}

// Serve moves the emitter to another lane. It is for drivers whose lanes take turns.
func (o *Emitter[T]) Serve(host Host) { o.host = host }

// Say adds outcomes that another emitter has collected. It is for drivers, and for stages that drive others.
func (o *Emitter[T]) Say(ends []Outcome) { o.ends = append(o.ends, ends...) }

// Take returns what was collected and clears it; the slices are valid until the next call of a method. They still contain
// events of origins that were rejected: see Accepted. It is for drivers, and for stages that drive others.
func (o *Emitter[T]) Take() ([]record.Event[T], []Outcome) {
	events, ends := o.events, o.ends
	o.events, o.ends = o.events[:0], o.ends[:0]
	return events, ends
}

// Accepted removes the events of origins that ends reject.
func Accepted[T any](events []record.Event[T], ends []Outcome) []record.Event[T] {
	var rejected map[record.Origin]bool
	for i := range ends {
		if ends[i].Kind == Rejected {
			if rejected == nil {
				rejected = map[record.Origin]bool{}
			}
			rejected[ends[i].Origin] = true
		}
	}
	if rejected == nil {
		return events
	}
	return slices.DeleteFunc(events, func(e record.Event[T]) bool { return rejected[e.Origin] })
}
