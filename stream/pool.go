package stream

import (
	"context"
	"errors"
	"slices"

	core "github.com/onceflow/onceflow/stream/internal/lane"
)

// pool has the workers of a job, and the questions that go to all of them at once.
type pool[T any] []*worker[T]

// gather takes n answers. It fails when ctx or hard ends, since a worker may be gone or spend long in one slice.
func gather[A any](ctx, hard context.Context, n int, answers <-chan A, take func(A)) error {
	for range n {
		select {
		case a := <-answers:
			take(a)
		case <-ctx.Done():
			if hard.Err() == nil {
				return ctx.Err()
			}
			return context.Cause(hard)
		case <-hard.Done():
			return context.Cause(hard)
		}
	}
	return nil
}

// leastBusy is the worker with the fewest lanes.
func (p pool[T]) leastBusy() *worker[T] {
	return slices.MinFunc(p, func(a, b *worker[T]) int { return a.loads - b.loads })
}

// barrier stops all workers and returns the progress of their lanes. Records of revoked lanes are not processed after it.
// An error that passes spoils the open transaction, and all lanes must begin again. Any other error has stopped the job.
func (p pool[T]) barrier(hard context.Context, revoked []*lane[T], fail func(error)) (lanes []core.Cut, resume func(), err error) {
	type part struct {
		lanes []core.Cut
		err   error
	}
	parts, gate := make(chan part, len(p)), make(chan struct{})
	for _, w := range p {
		w.inbox.do(func(ctx context.Context) error {
			x := part{err: w.stuck}
			if x.err == nil {
				x.err = w.pullAll(ctx)
			}
			if x.err == nil {
				x.lanes, x.err = w.collect(revoked)
			}
			parts <- x
			select {
			case <-gate:
			case <-ctx.Done():
			}
			return x.err
		})
	}
	for range p {
		select {
		case x := <-parts:
			lanes = append(lanes, x.lanes...)
			err = errors.Join(err, x.err)
		case <-hard.Done():
			err = context.Cause(hard)
		}
		if err != nil {
			if !passes(err) {
				fail(err)
			}
			close(gate)
			return nil, nil, err
		}
	}
	return lanes, func() { close(gate) }, nil
}

// markQueues returns a channel on which each worker sends once, when it reaches the present end of its queue.
func (p pool[T]) markQueues() <-chan struct{} {
	passed := make(chan struct{}, len(p))
	for _, w := range p {
		w.inbox.push(item[T]{do: func(context.Context) error { passed <- struct{}{}; return nil }})
	}
	return passed
}

// drain waits until the workers have processed their queues.
func (p pool[T]) drain(hard context.Context) error {
	passed := p.markQueues()
	return gather(hard, hard, len(p), passed, func(struct{}) {})
}

// unfinished counts the records that are in flight or pending once the queues are empty. waits tells whether stages may
// finish some without further input, dirty whether there is anything to commit.
func (p pool[T]) unfinished(ctx, hard context.Context) (left int64, waits, dirty bool, err error) {
	type answer struct {
		left         int64
		waits, dirty bool
		err          error
	}
	answers := make(chan answer, len(p))
	for _, w := range p {
		w.inbox.do(func(ctx context.Context) error {
			if w.stuck != nil {
				answers <- answer{left: 1, waits: true} // all of it is read again
				return nil                              //nolint:nilerr // that error has been told
			}
			a := answer{err: w.pullAll(ctx)}
			for _, l := range w.lanes {
				a.left += l.core.Unfinished()
				a.waits = a.waits || l.core.Pulls()
				a.dirty = a.dirty || l.core.Dirty()
			}
			answers <- a
			return a.err
		})
	}
	stopped := gather(ctx, hard, len(p), answers, func(a answer) {
		left, waits, dirty, err = left+a.left, waits || a.waits, dirty || a.dirty, errors.Join(err, a.err)
	})
	return left, waits, dirty, errors.Join(stopped, err)
}

// hanging names the worker that did not come back.
func (p pool[T]) hanging() string {
	for _, w := range p {
		if w.busy.Load() != 0 {
			return w.doing()
		}
	}
	return "the source, the output or a stage has been busy"
}
