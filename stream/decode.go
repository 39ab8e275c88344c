package stream

import (
	"context"
	"errors"
	"time"

	"github.com/onceflow/onceflow/internal/mutant"
)

// Decode turns records into events. parse may keep the bytes of the record only if it clones them; see Record. A record
// that parse refuses goes to the dead-letter flow, with the error and its bytes.
//
// at gives the event time; nil means Record.Time. It is a required argument, because hours and seals follow it: a
// broker's time beside an hour field in the payload would seal hours too early. A record whose event time is missing
// (zero, or within a day of 1970-01-01) or further in the future than Options.Future goes to the dead-letter flow and
// moves no clock.
func Decode[T any](parse func(*Record) (T, error), at func(*T) time.Time) Stage[Record, T] {
	return &decode[T]{parse: parse, at: at}
}

type decode[T any] struct {
	parse func(*Record) (T, error)
	at    func(*T) time.Time
}

func (d *decode[T]) String() string { return "decode" }

func (d *decode[T]) Open(lane *Lane) (Processor[Record, T], error) {
	lane.setDecodes()
	return d, nil
}

func (d *decode[T]) Process(_ context.Context, in []Event[Record], out *Emitter[T]) error {
	for i := range in {
		r := &in[i]
		v, err := d.parse(&r.Value)
		if err != nil {
			out.Reject(r.Origin, err)
			continue
		}
		emitDecoded(r, v, d.at, out)
	}
	return nil
}

// DecodeMany is Decode for records that hold many events each, such as lines or a JSON array. parse calls yield for each
// of them. If it returns an error, the whole record goes to the dead-letter flow and what it yielded is taken back.
func DecodeMany[T any](parse func(r *Record, yield func(T)) error, at func(*T) time.Time) Stage[Record, T] {
	return &decodeMany[T]{parse: parse, at: at}
}

type decodeMany[T any] struct {
	parse func(*Record, func(T)) error
	at    func(*T) time.Time
}

func (d *decodeMany[T]) String() string { return "decode" }

func (d *decodeMany[T]) Open(lane *Lane) (Processor[Record, T], error) {
	lane.setDecodes()
	return d, nil
}

func (d *decodeMany[T]) Process(_ context.Context, in []Event[Record], out *Emitter[T]) error {
	var r *Event[Record]
	yield := func(v T) { emitDecoded(r, v, d.at, out) } // one closure for the batch, not one a record
	for i := range in {
		r = &in[i]
		if err := d.parse(&r.Value, yield); err != nil {
			out.Reject(r.Origin, err)
		}
	}
	return nil
}

// ErrEventTime is why a record without a usable event time was rejected.
var ErrEventTime = errors.New("stream: event time is missing or too far in the future")

// emitDecoded gives v its event time, tells the clocks and emits it.
func emitDecoded[T any](r *Event[Record], v T, at func(*T) time.Time, out *Emitter[T]) {
	out.Emit(Event[T]{Value: v, Time: r.Value.Time, Origin: r.Origin})
	e := &out.events[len(out.events)-1] // at takes a pointer: given one to v, each event would be allocated
	if at != nil {
		e.Time = at(&e.Value)
	}
	e.Time = e.Time.Round(0).UTC() // no monotonic reading: a time that went through a ledger must compare the same
	if !out.setTime(e.Origin, e.Time) {
		out.Reject(e.Origin, ErrEventTime)
	}
}

// timeMissing reports whether t is what an absent field decodes to: the zero time, or a small number of seconds or
// milliseconds since 1970.
func timeMissing(t time.Time) bool {
	if mutant.On("T23b") {
		return false
	}
	const day = 24 * 60 * 60
	s := t.Unix()
	return t.IsZero() || (-day < s && s < day)
}
