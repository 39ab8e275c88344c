package sample

import (
	"context"
	"fmt"

	"github.com/zeebo/xxh3"

	"github.com/onceflow/onceflow/stream"
)

// Keys passes on all events of a share of the keys, from 0 to 1, and counts the others as Filtered, "sampled out". A key
// is in or out for ever: in every process, and in every greater share too. key must be a pure function.
func Keys[T any](share float64, key func(*T) string) stream.Stage[T, T] {
	return &keys[T]{share: share, key: key}
}

type keys[T any] struct {
	share float64
	key   func(*T) string
}

func (s *keys[T]) String() string { return "sample" }

// Open refuses a share that is none.
func (s *keys[T]) Open(*stream.Lane) (stream.Processor[T, T], error) {
	if !(s.share >= 0 && s.share <= 1) {
		return nil, fmt.Errorf("sample: a share of %v is not between 0 and 1", s.share)
	}
	return s, nil
}

// Process decides by the key's XXH3 hash.
func (s *keys[T]) Process(_ context.Context, in []stream.Event[T], out *stream.Emitter[T]) error {
	below := s.share * (1 << 53)
	for i := range in {
		if h := xxh3.HashString(s.key(&in[i].Value)) >> 11; float64(h) < below {
			out.Emit(in[i])
		} else {
			out.Drop(in[i].Origin, stream.Filtered, "sampled out")
		}
	}
	return nil
}
