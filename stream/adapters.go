package stream

import (
	"context"

	"github.com/onceflow/onceflow/stream/internal/guard"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// Map applies f to every event. An error of f sends the event's record to the dead-letter flow. f may change its argument.
func Map[In, Out any](f func(*In) (Out, error)) Stage[In, Out] { return mapper[In, Out](f) }

type mapper[In, Out any] func(*In) (Out, error)

func (f mapper[In, Out]) Traits() stage.Traits {
	return stage.Traits{Name: "map", Err: needs(f == nil, "its function")}
}

func (f mapper[In, Out]) Open(*stage.Lane) (stage.Processor[In, Out], error) { return f, nil }

func (f mapper[In, Out]) Process(_ context.Context, in []Event[In], out *stage.Emitter[Out]) error {
	for i := range in {
		if v, err := f(&in[i].Value); err != nil {
			out.Reject(in[i].Origin, err)
		} else {
			out.Emit(record.Derive(&in[i], v))
		}
	}
	return nil
}

// FlatMap makes any number of events of one: f calls yield for each. They have the time and the fate of the record that
// they came from. An error or a panic of f sends the record to the dead-letter flow and takes back what f yielded for it.
func FlatMap[In, Out any](f func(in *In, yield func(Out)) error) Stage[In, Out] {
	return flatMapper[In, Out](f)
}

type flatMapper[In, Out any] func(*In, func(Out)) error

func (f flatMapper[In, Out]) Traits() stage.Traits {
	return stage.Traits{Name: "flatmap", Err: needs(f == nil, "its function")}
}

func (f flatMapper[In, Out]) Open(*stage.Lane) (stage.Processor[In, Out], error) { return f, nil }

func (f flatMapper[In, Out]) Process(_ context.Context, in []Event[In], out *stage.Emitter[Out]) error {
	var e *Event[In]
	yield := func(v Out) { out.Emit(record.Derive(e, v)) } // one closure for the batch, not one an event
	var g guard.Guard
	guard.Run(&g, in, out, func() {
		for ; g.At < len(in); g.At++ {
			e = &in[g.At]
			if err := f(&e.Value, yield); err != nil {
				out.Reject(e.Origin, err)
			}
		}
	})
	return nil
}

// Filter passes on the events for which keep is true and counts the records of the others as filtered, under name. A panic
// of keep sends the record to the dead-letter flow.
func Filter[T any](name string, keep func(*T) bool) Stage[T, T] { return &filter[T]{name, keep} }

type filter[T any] struct {
	name string
	keep func(*T) bool
}

func (f *filter[T]) Traits() stage.Traits {
	return stage.Traits{Name: "filter " + f.name, Err: needs(f.keep == nil, "its function")}
}

func (f *filter[T]) Open(*stage.Lane) (stage.Processor[T, T], error) { return f, nil }

func (f *filter[T]) Process(_ context.Context, in []Event[T], out *stage.Emitter[T]) error {
	var g guard.Guard
	guard.Run(&g, in, out, func() {
		for ; g.At < len(in); g.At++ {
			if e := &in[g.At]; f.keep(&e.Value) {
				out.Emit(*e)
			} else {
				out.Drop(e.Origin, Filtered, f.name)
			}
		}
	})
	return nil
}
