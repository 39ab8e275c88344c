package stream

import (
	"context"
	"fmt"

	"github.com/onceflow/onceflow/stream/stage"
)

// Pipe is a source followed by stages. It is a description, immutable and safe for concurrent use; nothing runs before
// Run.
type Pipe[T any] struct {
	src    Source
	stages []stage.Traits

	// open builds the stages of one lane in front of next, which takes what the last of them emits, and returns where
	// records go in.
	open func(core *laneCore, next feeds[T]) (feeds[Record], error)
}

// feeds take batches of events, which are valid during the call only.
type feeds[T any] struct {
	run  func(ctx context.Context, in []Event[T]) error
	warm func(ctx context.Context, in []Event[T]) error // of records of the warm-up
}

// From starts a pipe.
func From(src Source) Pipe[Record] {
	return Pipe[Record]{src: src, open: func(_ *laneCore, next feeds[Record]) (feeds[Record], error) { return next, nil }}
}

// Via adds a stage.
func Via[In, Out any](p Pipe[In], s Stage[In, Out]) Pipe[Out] {
	if c, ok := s.(viaer[In, Out]); ok {
		return c.via(p)
	}
	index := len(p.stages)
	stages := append(p.stages[:index:index], stage.TraitsOf(s))
	return Pipe[Out]{src: p.src, stages: stages, open: func(core *laneCore, next feeds[Out]) (feeds[Record], error) {
		in, err := openStage(core, index, s, next)
		if err != nil {
			return feeds[Record]{}, err
		}
		return p.open(core, in)
	}}
}

// viaer is a stage made of several, which a pipe runs as such.
type viaer[In, Out any] interface {
	via(p Pipe[In]) Pipe[Out]
}

// needs is an error if a function that a stage needs is nil.
func needs(missing bool, what string) error {
	if missing {
		return fmt.Errorf("%s is nil", what)
	}
	return nil
}
