package enrich

import (
	"context"
	"errors"

	"github.com/onceflow/onceflow/stream/internal/guard"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// With calls f for each event with the version of the table that is in use; f may change the event and must not change
// or keep the table. An error or a panic of f sends the event's record to the dead-letter flow.
func With[T, V any](t *Table[V], f func(table *V, e *T) error) stage.Stage[T, T] {
	s := &enricher[T, V]{table: t, f: f}
	if t == nil || f == nil {
		s.err = errors.New("enrich: a table and a function are required")
	}
	return s
}

type enricher[T, V any] struct {
	table *Table[V]
	f     func(*V, *T) error
	err   error
}

// Traits are a name, and what With found wrong.
func (s *enricher[T, V]) Traits() stage.Traits { return stage.Traits{Name: "enrich", Err: s.err} }

// Open returns the stage itself, which has no state of its own.
func (s *enricher[T, V]) Open(*stage.Lane) (stage.Processor[T, T], error) { return s, nil }

// Process completes a batch from one version.
func (s *enricher[T, V]) Process(_ context.Context, in []record.Event[T], out *stage.Emitter[T]) error {
	v := s.table.Current()
	var g guard.Guard
	guard.Run(&g, in, out, func() {
		for ; g.At < len(in); g.At++ {
			if err := s.f(v, &in[g.At].Value); err != nil {
				out.Reject(in[g.At].Origin, err)
			} else {
				out.Emit(in[g.At])
			}
		}
	})
	return nil
}
