package enrich

import (
	"context"
	"errors"

	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// With calls f for each event with the version of the table that is in use; f may change the event and must not change
// or keep the table. An error or a panic of f sends the event's record to the dead-letter flow.
func With[T, V any](t *Table[V], f func(table *V, e *T) error) stage.Stage[T, T] {
	return &enricher[T, V]{t, f}
}

type enricher[T, V any] struct {
	table *Table[V]
	f     func(*V, *T) error
}

// Traits are a name.
func (s *enricher[T, V]) Traits() stage.Traits { return stage.Traits{Name: "enrich"} }

// Open returns the stage itself, which has no state of its own.
func (s *enricher[T, V]) Open(*stage.Lane) (stage.Processor[T, T], error) {
	if s.table == nil || s.f == nil {
		return nil, errors.New("enrich: a table and a function are required")
	}
	return s, nil
}

// Process completes a batch from one version.
func (s *enricher[T, V]) Process(_ context.Context, in []record.Event[T], out *stage.Emitter[T]) error {
	v := s.table.Current()
	f := record.Recover(func(e *T) (struct{}, error) { return struct{}{}, s.f(v, e) }) // its own signature does not fit
	for i := range in {
		if _, err := f(&in[i].Value); err != nil {
			out.Reject(in[i].Origin, err)
			continue
		}
		out.Emit(in[i])
	}
	return nil
}
