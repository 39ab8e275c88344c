package lane

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// running is a stage's processor in a lane, and the next stage for its results.
type running[In, Out any] struct {
	stages *stages
	index  int
	proc   stage.Processor[In, Out]
	warms  stage.Warmer[In, Out] // nil if it is none
	em     *stage.Emitter[Out]   // of all lanes of the worker
	next   feeds[Out]
}

// openStage opens st as number index of s, in front of next.
func openStage[In, Out any](s *stages, index int, st stage.Stage[In, Out], next feeds[Out]) (feeds[In], error) {
	proc, err := st.Open(&s.lane)
	if err == nil && proc == nil {
		err = errors.New("its Open returned no processor")
	}
	if err != nil {
		return feeds[In]{}, s.failed(index, err)
	}
	r := &running[In, Out]{stages: s, index: index, proc: proc, em: emitter[Out](s.flight.scratch, index), next: next}
	p := &s.procs[index]
	if a, ok := proc.(stage.Advancer[Out]); ok {
		p.advance = func(ctx context.Context, eventTime time.Time) error {
			return r.end(ctx, a.Advance(ctx, eventTime, r.out()))
		}
	}
	if a, ok := proc.(stage.Puller[Out]); ok {
		p.pull = func(ctx context.Context) error {
			s.fed[index] = true
			return r.end(ctx, a.Pull(ctx, r.out()))
		}
	}
	if a, ok := proc.(stage.Warmer[In, Out]); ok {
		r.warms, p.warmup = a, a.Warmup
	}
	if a, ok := proc.(stage.ClockWatcher); ok {
		p.committed = func(ctx context.Context, c record.Clocks) error { return s.failed(index, a.Committed(ctx, c)) }
	}
	if a, ok := proc.(stage.Keeper); ok {
		s.keepers = append(s.keepers, a.Kept)
	}
	if a, ok := proc.(stage.Noter); ok {
		s.flight.noters = append(s.flight.noters, a)
	}
	if a, ok := proc.(stage.Fuller); ok {
		s.fullers = append(s.fullers, a.Full)
	}
	if a, ok := proc.(io.Closer); ok {
		p.close = func() error { return s.failed(index, a.Close()) }
	}
	return feeds[In]{r.run, r.warm}, nil
}

// out is where the processor's results go.
func (r *running[In, Out]) out() *stage.Emitter[Out] {
	r.em.Serve(r.stages.lane.Host)
	return r.em
}

// run passes a batch through the stage, and the stage's events through the stages after it.
func (r *running[In, Out]) run(ctx context.Context, in []record.Event[In]) error {
	r.stages.fed[r.index] = true
	return r.end(ctx, r.proc.Process(ctx, in, r.out()))
}

// end takes the results of a call of the processor.
func (r *running[In, Out]) end(ctx context.Context, err error) error {
	if err != nil {
		return r.stages.failed(r.index, err)
	}
	events, ends := r.em.Take()
	if len(ends) > 0 {
		rejected, err := r.stages.apply(r.index, ends)
		if err != nil {
			return r.stages.failed(r.index, err)
		}
		if rejected {
			clear(ends) // errors must not stay alive in the buffer
			events = notRejected(&r.stages.flight.slots, events)
		}
	}
	if len(events) == 0 {
		return nil
	}
	return r.next.run(ctx, events)
}

// notRejected removes the events of records that were rejected after they were emitted.
func notRejected[T any](t *slotTable, events []record.Event[T]) []record.Event[T] {
	kept := events[:0]
	for i := range events {
		if s := t.get(events[i].Origin); s == nil || s.flags&flagRejected == 0 {
			kept = append(kept, events[i])
		}
	}
	return kept
}

// warm passes warm-up records through the stage. A stage without Warm handles them as usual, but only its events count.
func (r *running[In, Out]) warm(ctx context.Context, in []record.Event[In]) error {
	if r.index > r.stages.warmer {
		return nil // nobody behind wants them
	}
	step := r.proc.Process
	if r.warms != nil {
		step = r.warms.Warm
	}
	if err := step(ctx, in, r.out()); err != nil {
		return r.stages.failed(r.index, err)
	}
	events, ends := r.em.Take()
	if r.warms == nil { // it does not know that this is a warm-up
		events = stage.Accepted(events, ends)
		for i := range ends {
			if ends[i].Kind == stage.Pending {
				return r.stages.failed(r.index, errors.New("it holds records in front of a stage that is warmed up"))
			}
		}
	}
	clear(ends)
	if len(events) == 0 {
		return nil
	}
	return r.next.warm(ctx, events)
}
