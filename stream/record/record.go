package record

import (
	"bytes"
	"slices"
	"time"
)

// Record is what a source gives. Its slices may share a buffer that the source uses again. They are read-only, and valid
// until the batch they came in has passed all stages and the rows of its finished records are written. If a stage holds
// something longer, or works on it in its own goroutines, that must own its bytes: Clone it, or let Decode copy.
type Record struct {
	Partition *Partition // shared by all records of the partition
	Position  Position
	Key       []byte // nil if the producer set none
	Value     []byte // nil for a tombstone
	Headers   []Header
	Time      time.Time // the broker's or producer's time, UTC; zero if there is none
}

// Clone returns a record that owns its bytes.
func (r *Record) Clone() Record {
	c := *r
	c.Key, c.Value, c.Headers = bytes.Clone(r.Key), bytes.Clone(r.Value), slices.Clone(r.Headers)
	for i := range c.Headers {
		c.Headers[i].Value = bytes.Clone(c.Headers[i].Value)
	}
	return c
}

// Header is one record header.
type Header struct {
	Key   string
	Value []byte
}

// Origin stands for the record that an event came from. It is opaque, costs 8 bytes and is comparable with ==. It is valid
// only in the lane that issued it and until its record is finished. Copy it from the input event into what you make of it,
// so that the engine knows when a record's effect is complete.
type Origin struct{ slot, gen uint32 }

// NewOrigin makes an origin for a test that drives a stage without the engine.
func NewOrigin(n uint32) Origin { return OriginOf(n, 1) }

// OriginOf makes an origin for an engine. The engine reuses the slots of finished records, and the generation tells the
// records apart.
func OriginOf(slot, gen uint32) Origin { return Origin{slot, gen} }

// Parts is what OriginOf was given.
func (o Origin) Parts() (slot, gen uint32) { return o.slot, o.gen }

// Event is a decoded record inside a job.
type Event[T any] struct {
	Value T

	// Time is the event time, in UTC. Decode sets it; without a Decode it is the record's. It alone chooses the output hour
	// and drives the clocks, so stages must not change it.
	Time   time.Time
	Origin Origin
}

// Derive returns an event with the time and origin of e and another value.
func Derive[In, Out any](e *Event[In], v Out) Event[Out] { return Event[Out]{v, e.Time, e.Origin} }

// Ref tells where an origin came from.
type Ref struct {
	Partition *Partition
	Position  Position
	Replayed  bool // it was pending when this lane was acquired, so it had passed every stage before the one that held it
}
