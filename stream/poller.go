package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/onceflow/onceflow/stream/driver"
)

// poller is the goroutine that uses the source: Poll, Start and Pause are called there and nowhere else.
type poller struct {
	mu     sync.Mutex
	todo   []func(context.Context) error
	cancel context.CancelFunc // of the Poll in progress
	wake   chan struct{}      // something was added to todo
}

// do runs f on the poller's goroutine, soon: a Poll in progress is interrupted.
func (p *poller) do(f func(context.Context) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.todo = append(p.todo, f)
	if p.cancel != nil {
		p.cancel()
	}
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// rebalance is what the source said of assignments. The poller waits until the conductor has answered with the lanes to
// start.
type rebalance[T any] struct {
	batch *driver.Batch
	reply chan []starting[T]
}

// starting is a lane that is ready to begin.
type starting[T any] struct {
	lane  *lane[T] // nil if it was over before
	start driver.Start
}

// runPoller polls until ctx is done. Errors stop the job.
func (e *engine[T]) runPoller(ctx context.Context) {
	err := e.pollAll(ctx)
	var broken *sourceError
	switch {
	case err == nil || ctx.Err() != nil:
	case errors.As(err, &broken):
		e.broken <- broken // one at most: has room
	default:
		e.fail(err)
	}
}

// sourceError is an error of Poll. What the source delivered before it is good.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return fmt.Sprintf("stream: poll: %v", e.err) }
func (e *sourceError) Unwrap() error { return e.err }

func (e *engine[T]) pollAll(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := e.pollOn(ctx, e.poller.interruptible(ctx)); err != nil {
			return err
		}
	}
	return nil
}

// pollOn polls until it is interrupted, which ends poll.
func (e *engine[T]) pollOn(ctx, poll context.Context) error {
	for poll.Err() == nil {
		if err := e.pollerTodo(ctx); err != nil {
			return err
		}
		b, err := e.src.Poll(poll)
		switch {
		case errors.Is(err, io.EOF):
			err = e.atEOF(ctx)
		case err != nil && poll.Err() != nil:
			err = nil
		case err != nil:
			err = &sourceError{err}
		case b != nil:
			err = e.polled(ctx, b)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// interruptible returns a context for Polls that do ends.
func (p *poller) interruptible(ctx context.Context) context.Context {
	poll, cancel := context.WithCancel(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cancel != nil {
		p.cancel()
	}
	p.cancel = cancel
	return poll
}

// pollerTodo runs what was given to do.
func (e *engine[T]) pollerTodo(ctx context.Context) error {
	p := &e.poller
	p.mu.Lock()
	todo := p.todo
	p.todo = nil
	p.mu.Unlock()
	for _, f := range todo {
		if err := f(ctx); err != nil {
			return err
		}
	}
	return nil
}

// polled handles what Poll said: assignments by the conductor, records by the lane's worker.
func (e *engine[T]) polled(ctx context.Context, b *driver.Batch) error {
	if len(b.Assigned)+len(b.Revoked) > 0 {
		r := rebalance[T]{batch: b, reply: make(chan []starting[T], 1)}
		e.rebalances <- r // one at most: has room
		starts, err := e.await(ctx, r.reply)
		if err != nil {
			return err
		}
		for _, name := range b.Revoked {
			delete(e.polling, name)
		}
		if err := e.start(ctx, starts); err != nil {
			return err
		}
	}
	if b.Lane == "" {
		b.Release()
		return nil
	}
	l := e.polling[b.Lane]
	if l == nil { // revoked, or not started yet: whoever starts it reads this again
		b.Release()
		return nil
	}
	e.seeKeys(b)
	n := size(b)
	over := e.charge(n)
	e.queued.Add(n)
	q := l.queued.Add(n)
	l.w.push(item[T]{lane: l, batch: b, bytes: n})
	if q > e.laneBytes.Load() {
		e.pause(l)
	}
	if over && !e.choked.Load() {
		e.choke()
	}
	return nil
}

// await waits for the conductor's answer and does meanwhile what it is asked to.
func (e *engine[T]) await(ctx context.Context, reply chan []starting[T]) ([]starting[T], error) {
	for {
		if err := e.pollerTodo(ctx); err != nil {
			return nil, err
		}
		select {
		case starts := <-reply:
			return starts, nil
		case <-e.poller.wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// start begins lanes at the source.
func (e *engine[T]) start(ctx context.Context, starts []starting[T]) error {
	for _, s := range starts {
		name := s.start.Lane
		if old := e.polling[name]; old != nil && old.paused.Load() {
			e.src.Pause(name, false)
		}
		if err := e.src.Start(ctx, s.start); err != nil {
			return fmt.Errorf("stream: start lane %s: %w", name, err)
		}
		if s.lane == nil {
			e.finished([]string{name})
			continue
		}
		e.polling[name] = s.lane
		if e.choked.Load() {
			s.lane.paused.Store(true)
			e.src.Pause(name, true)
		}
	}
	return nil
}

// park keeps the poller from the source until it gets lanes to start; nil is none.
func (e *engine[T]) park(ctx context.Context) (release func([]starting[T]), err error) {
	parked, reply := make(chan struct{}), make(chan []starting[T], 1)
	e.poller.do(func(ctx context.Context) error {
		close(parked)
		select {
		case starts := <-reply:
			e.restarted = e.restarted || len(starts) > 0
			return e.start(ctx, starts)
		case <-ctx.Done():
			return nil
		}
	})
	select {
	case <-parked:
		return func(starts []starting[T]) { reply <- starts }, nil
	case <-e.hard.Done():
		return nil, context.Cause(e.hard)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// atEOF tells the conductor that all was delivered, and waits: a fence may start lanes again.
func (e *engine[T]) atEOF(ctx context.Context) error {
	e.restarted = false
	e.eof <- struct{}{} // one at most: the conductor empties it before it starts lanes again
	for {
		if err := e.pollerTodo(ctx); err != nil {
			return err
		}
		if e.restarted {
			return nil
		}
		select {
		case <-e.poller.wake:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
