package sample

import (
	"context"
	"errors"
	"fmt"

	"github.com/zeebo/xxh3"

	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// Keys passes on all events of a share of the keys, from 0 to 1, and counts the others as Filtered, "sampled out". A key
// is in or out for ever: in every process, and in every greater share too. key must be a pure function.
func Keys[T any](share float64, key func(*T) string) stage.Stage[T, T] {
	s := &keys[T]{share: share, key: recovering(key)}
	if !(share >= 0 && share <= 1) {
		s.err = fmt.Errorf("sample: a share of %v is not between 0 and 1", share)
	}
	if key == nil {
		s.err = errors.Join(s.err, errors.New("sample: a key function is required"))
	}
	return s
}

// recovering sends records whose key makes the function panic to the dead-letter flow.
func recovering[T any](key func(*T) string) func(*T) (string, error) {
	return record.Recover(func(e *T) (string, error) { return key(e), nil })
}

type keys[T any] struct {
	share float64
	key   func(*T) (string, error)
	err   error
}

// Traits are a name, and what Keys found wrong.
func (s *keys[T]) Traits() stage.Traits { return stage.Traits{Name: "sample", Err: s.err} }

// Open returns the stage itself, which has no state of its own.
func (s *keys[T]) Open(*stage.Lane) (stage.Processor[T, T], error) { return s, nil }

// Process decides by the key's XXH3 hash.
func (s *keys[T]) Process(_ context.Context, in []record.Event[T], out *stage.Emitter[T]) error {
	below := s.share * (1 << 53)
	for i := range in {
		key, err := s.key(&in[i].Value)
		if err != nil {
			out.Reject(in[i].Origin, err)
		} else if h := xxh3.HashString(key) >> 11; float64(h) < below {
			out.Emit(in[i])
		} else {
			out.Drop(in[i].Origin, record.Filtered, "sampled out")
		}
	}
	return nil
}
