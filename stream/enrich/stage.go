package enrich

import (
	"context"
	"errors"

	"github.com/onceflow/onceflow/stream"
)

// With calls f for each event with the version of the table that is in use; f may change the event and must not change
// or keep the table. An error or a panic of f sends the event's record to the dead-letter flow.
func With[T, V any](t *Table[V], f func(table *V, e *T) error) stream.Stage[T, T] {
	return &stage[T, V]{t, f}
}

type stage[T, V any] struct {
	table *Table[V]
	f     func(*V, *T) error
}

func (s *stage[T, V]) String() string { return "enrich" }

// Open returns the stage itself, which has no state of its own.
func (s *stage[T, V]) Open(*stream.Lane) (stream.Processor[T, T], error) {
	if s.table == nil || s.f == nil {
		return nil, errors.New("enrich: a table and a function are required")
	}
	return s, nil
}

// Process completes a batch from one version.
func (s *stage[T, V]) Process(_ context.Context, in []stream.Event[T], out *stream.Emitter[T]) error {
	v := s.table.Current()
	f := stream.Recover(func(e *T) (struct{}, error) { return struct{}{}, s.f(v, e) }) // its own signature does not fit
	for i := range in {
		if _, err := f(&in[i].Value); err != nil {
			out.Reject(in[i].Origin, err)
			continue
		}
		out.Emit(in[i])
	}
	return nil
}
