package lane

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// processor is the untyped side of a stage's processor in a lane; a nil func means that it has no such method.
type processor struct {
	advance   func(ctx context.Context, seen time.Time) error
	pull      func(ctx context.Context) error
	warmup    func() time.Duration
	committed func(ctx context.Context, c record.Clocks) error
	close     func() error
}

// Chain is what a pipe has behind its source: stages, the last of which emits T. It is immutable and safe for concurrent
// use.
type Chain[T any] struct {
	Stages []stage.Traits

	// open builds the stages of one lane in front of next, which takes what the last of them emits, and returns where
	// records go in.
	open func(l *Lane, next feeds[T]) (feeds[record.Record], error)
}

// feeds take batches of events, which are valid during the call only.
type feeds[T any] struct {
	run  func(ctx context.Context, in []record.Event[T]) error
	warm func(ctx context.Context, in []record.Event[T]) error // of records of the warm-up
}

// NoStages is the chain of a pipe that is only a source.
func NoStages() Chain[record.Record] {
	return Chain[record.Record]{open: func(_ *Lane, next feeds[record.Record]) (feeds[record.Record], error) { return next, nil }}
}

// Then adds a stage.
func Then[In, Out any](c Chain[In], st stage.Stage[In, Out]) Chain[Out] {
	index := len(c.Stages)
	return Chain[Out]{
		Stages: append(c.Stages[:index:index], stage.TraitsOf(st)),
		open: func(l *Lane, next feeds[Out]) (feeds[record.Record], error) {
			in, err := openStage(l, index, st, next)
			if err != nil {
				return feeds[record.Record]{}, err
			}
			return c.open(l, in)
		},
	}
}

// running is a stage's processor in a lane, with where its results go.
type running[In, Out any] struct {
	core  *Lane
	index int
	proc  stage.Processor[In, Out]
	warms stage.Warmer[In, Out] // nil if it is none
	em    *stage.Emitter[Out]   // of all lanes of the worker
	next  feeds[Out]
}

// openStage opens stage as number index of core's lane, in front of next.
func openStage[In, Out any](core *Lane, index int, st stage.Stage[In, Out], next feeds[Out]) (feeds[In], error) {
	proc, err := st.Open(&core.lane)
	if err == nil && proc == nil {
		err = errors.New("its Open returned no processor")
	}
	if err != nil {
		return feeds[In]{}, core.stageError(index, err)
	}
	r := &running[In, Out]{core: core, index: index, proc: proc, em: emitter[Out](core.Scratch, index), next: next}
	p := &core.procs[index]
	if a, ok := proc.(stage.Advancer[Out]); ok {
		p.advance = func(ctx context.Context, seen time.Time) error { return r.end(ctx, a.Advance(ctx, seen, r.out())) }
	}
	if a, ok := proc.(stage.Puller[Out]); ok {
		p.pull = func(ctx context.Context) error {
			core.fed[index] = true
			return r.end(ctx, a.Pull(ctx, r.out()))
		}
	}
	if a, ok := proc.(stage.Warmer[In, Out]); ok {
		r.warms, p.warmup = a, a.Warmup
	}
	if a, ok := proc.(stage.ClockWatcher); ok {
		p.committed = func(ctx context.Context, c record.Clocks) error { return core.stageError(index, a.Committed(ctx, c)) }
	}
	if a, ok := proc.(io.Closer); ok {
		p.close = func() error { return core.stageError(index, a.Close()) }
	}
	return feeds[In]{r.run, r.warm}, nil
}

// out is where the processor's results go.
func (r *running[In, Out]) out() *stage.Emitter[Out] {
	r.em.Serve(r.core)
	return r.em
}

// run passes a batch through the stage and what it emits through those behind it.
func (r *running[In, Out]) run(ctx context.Context, in []record.Event[In]) error {
	r.core.fed[r.index] = true
	return r.end(ctx, r.proc.Process(ctx, in, r.out()))
}

// end takes the results of a call of the processor.
func (r *running[In, Out]) end(ctx context.Context, err error) error {
	if err != nil {
		return r.core.stageError(r.index, err)
	}
	events, ends := r.em.Take()
	if len(ends) > 0 {
		rejected, err := r.core.apply(r.index, ends)
		if err != nil {
			return err
		}
		if rejected {
			clear(ends) // errors must not stay alive in the buffer
			events = notRejected(r.core, events)
		}
	}
	if len(events) == 0 {
		return nil
	}
	return r.next.run(ctx, events)
}

// notRejected removes the events of records that were rejected after they were emitted.
func notRejected[T any](c *Lane, events []record.Event[T]) []record.Event[T] {
	kept := events[:0]
	for i := range events {
		if s := c.slots.get(events[i].Origin); s == nil || s.flags&flagRejected == 0 {
			kept = append(kept, events[i])
		}
	}
	return kept
}

// warm passes records of the warm-up through: a stage without Warm handles them as ever, but only its events count.
func (r *running[In, Out]) warm(ctx context.Context, in []record.Event[In]) error {
	if r.index > r.core.warmer {
		return nil // nobody behind wants them
	}
	step := r.proc.Process
	if r.warms != nil {
		step = r.warms.Warm
	}
	if err := step(ctx, in, r.out()); err != nil {
		return r.core.stageError(r.index, err)
	}
	events, ends := r.em.Take()
	if r.warms == nil { // it does not know that this is a warm-up
		events = stage.Accepted(events, ends)
		for i := range ends {
			if ends[i].Kind == stage.Held {
				return r.core.stageError(r.index, errors.New("it holds records in front of a stage that is warmed up"))
			}
		}
	}
	clear(ends)
	if len(events) == 0 {
		return nil
	}
	return r.next.warm(ctx, events)
}

// stageError wraps err, unless it is nil.
func (c *Lane) stageError(st int, err error) error {
	if err == nil {
		return nil
	}
	e := &stage.Error{Stage: c.stages[st].Name, Lane: c.lane.Name, Err: err}
	if len(c.records) > 0 {
		e.Partition, e.First = c.records[0].Partition, c.records[0].Position
	}
	return e
}
