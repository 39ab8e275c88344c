package lane

import (
	"context"

	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// Chain has the stages of a pipe; the last one emits T. It is immutable and safe for concurrent use.
type Chain[T any] struct {
	Stages []stage.Traits

	// open builds the stages of one lane. Events of the last stage go to next. It returns where records go in.
	open func(s *stages, next feeds[T]) (feeds[record.Record], error)
}

// feeds take batches of events, which are valid during the call only.
type feeds[T any] struct {
	run  func(ctx context.Context, in []record.Event[T]) error
	warm func(ctx context.Context, in []record.Event[T]) error // of records of the warm-up
}

// NoStages is the chain of a pipe that is only a source.
func NoStages() Chain[record.Record] {
	return Chain[record.Record]{open: func(_ *stages, next feeds[record.Record]) (feeds[record.Record], error) { return next, nil }}
}

// Then adds a stage.
func Then[In, Out any](c Chain[In], st stage.Stage[In, Out]) Chain[Out] {
	index := len(c.Stages)
	return Chain[Out]{
		Stages: append(c.Stages[:index:index], stage.TraitsOf(st)),
		open: func(s *stages, next feeds[Out]) (feeds[record.Record], error) {
			in, err := openStage(s, index, st, next)
			if err != nil {
				return feeds[record.Record]{}, err
			}
			return c.open(s, in)
		},
	}
}
