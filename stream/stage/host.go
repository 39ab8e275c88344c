package stage

import (
	"time"

	"github.com/onceflow/onceflow/stream/record"
)

// Host drives the processors of a lane: the engine, or a test. Its methods are called by the goroutine that calls the
// processors, during a call of one.
type Host interface {
	// Lookup returns where a live origin came from; the zero Ref if it is not live.
	Lookup(o record.Origin) record.Ref

	// Size is about how many bytes of memory the record of a live origin needs.
	Size(o record.Origin) int64

	// Usable reports whether t is an acceptable event time. A record with an event of another time must be rejected with
	// ErrEventTime.
	Usable(t time.Time) bool

	// SetTime gives the clocks the times of the oldest and the newest event of a record. Both must be usable, and the
	// record must be good, since a clock never goes back.
	SetTime(o record.Origin, oldest, newest time.Time)

	// SetsTimes says that a stage of the lane calls SetTime, so that the records' own times do not count. Open calls it.
	SetsTimes()
}

// LookupFunc is a host without clocks, for tests of a stage: it answers Lookup.
type LookupFunc func(record.Origin) record.Ref

// Lookup calls f.
func (f LookupFunc) Lookup(o record.Origin) record.Ref { return f(o) }

// Size is 0.
func (LookupFunc) Size(record.Origin) int64 { return 0 }

// Usable is UsableTime.
func (LookupFunc) Usable(t time.Time) bool { return UsableTime(t) }

// SetTime does nothing.
func (LookupFunc) SetTime(record.Origin, time.Time, time.Time) {}

// SetsTimes does nothing.
func (LookupFunc) SetsTimes() {}

// numbered takes the number of an origin for the position.
func numbered(o record.Origin) record.Ref {
	n, _ := o.Parts()
	return record.Ref{Partition: &record.Partition{Source: "test", ID: "0"}, Position: record.Position{Sub: int64(n)}}
}
