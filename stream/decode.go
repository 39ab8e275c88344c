package stream

import (
	"context"
	"time"

	"github.com/onceflow/onceflow/stream/internal/guard"
	"github.com/onceflow/onceflow/stream/stage"
)

// Decode turns records into events. parse must copy the bytes that it keeps, unless no stage of the pipe holds events or
// works on them in its own goroutines; see Record. A record that parse refuses goes to the dead-letter flow, with the error
// and its bytes.
//
// at returns the event time; nil means Record.Time. It is a required argument because hours and seals follow it: with the
// broker's time, beside an hour field in the payload, hours would be sealed too early. A record goes to the dead-letter
// flow and moves no clock if its event time is missing (zero, or within a day of 1970-01-01), further in the future than
// Options.Future or further in the past than Options.Past, or if at panics; see Recover.
func Decode[T any](parse func(*Record) (T, error), at func(*T) time.Time) Stage[Record, T] {
	return &decode[T]{parse: parse, at: at}
}

type decode[T any] struct {
	parse func(*Record) (T, error)
	at    func(*T) time.Time
}

func (d *decode[T]) Traits() stage.Traits {
	return stage.Traits{Name: "decode", Err: needs(d.parse == nil, "parse")}
}

func (d *decode[T]) Open(lane *stage.Lane) (stage.Processor[Record, T], error) {
	setsTimes(lane)
	return d, nil
}

func (d *decode[T]) Process(_ context.Context, in []Event[Record], out *stage.Emitter[T]) error {
	host := out.Host()
	var g guard.Guard
	guard.Run(&g, in, out, func() {
		for ; g.At < len(in); g.At++ {
			r := &in[g.At]
			e := out.Place()
			var err error
			g.Open = true // Recover can be around parse
			e.Value, err = d.parse(&r.Value)
			g.Open = false
			if err != nil {
				out.Unplace()
				out.Reject(r.Origin, err)
				continue
			}
			if t := setDecoded(e, r, d.at); host.Usable(t) {
				host.SetTime(r.Origin, t, t)
			} else {
				out.Reject(r.Origin, ErrEventTime)
			}
		}
	})
	return nil
}

// setsTimes tells the lane's driver that a stage sets event times.
func setsTimes(lane *stage.Lane) {
	if lane != nil && lane.Host != nil {
		lane.Host.SetsTimes()
	}
}

// DecodeMany is Decode for records that hold many events each, such as lines or a JSON array. parse calls yield for each of
// them. If parse returns an error, parse or at panics, or an event has no usable time, the whole record goes to the
// dead-letter flow. Then its events are taken back, and it moves no clock.
func DecodeMany[T any](parse func(r *Record, yield func(T)) error, at func(*T) time.Time) Stage[Record, T] {
	return &decodeMany[T]{parse: parse, at: at}
}

type decodeMany[T any] struct {
	parse func(*Record, func(T)) error
	at    func(*T) time.Time
}

func (d *decodeMany[T]) Traits() stage.Traits {
	return stage.Traits{Name: "decode", Err: needs(d.parse == nil, "parse")}
}

func (d *decodeMany[T]) Open(lane *stage.Lane) (stage.Processor[Record, T], error) {
	setsTimes(lane)
	return d, nil
}

func (d *decodeMany[T]) Process(_ context.Context, in []Event[Record], out *stage.Emitter[T]) error {
	var r *Event[Record]
	var many times
	host := out.Host()
	yield := func(v T) { // one closure for the batch, not one a record
		e := out.Place()
		e.Value = v
		t := setDecoded(e, r, d.at)
		many.add(t, host.Usable(t))
	}
	var g guard.Guard
	guard.Run(&g, in, out, func() {
		for ; g.At < len(in); g.At++ {
			r, many = &in[g.At], times{}
			switch err := d.parse(&r.Value, yield); {
			case err != nil:
				out.Reject(r.Origin, err)
			case many.bad:
				out.Reject(r.Origin, ErrEventTime)
			case many.n > 0:
				host.SetTime(r.Origin, many.first, many.last)
			}
		}
	})
	return nil
}

// times are the times of one record's events. The clocks get them only once the whole record is known to be good.
type times struct {
	n           int
	bad         bool // one of them is not usable
	first, last time.Time
}

func (m *times) add(t time.Time, usable bool) {
	if m.n == 0 || t.Before(m.first) {
		m.first = t
	}
	if m.n == 0 || t.After(m.last) {
		m.last = t
	}
	m.n++
	m.bad = m.bad || !usable
}

// setDecoded fills in all of e but its value, and returns its time. e is in the emitter's buffer: with a copy, whose
// address at gets, each event would cost an allocation.
func setDecoded[T any](e *Event[T], r *Event[Record], at func(*T) time.Time) time.Time {
	e.Time, e.Origin = r.Value.Time, r.Origin
	if at != nil {
		e.Time = at(&e.Value)
	}
	e.Time = e.Time.Round(0).UTC() // no monotonic reading: a time that went through a ledger must compare the same
	return e.Time
}
