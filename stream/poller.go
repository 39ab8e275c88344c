package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/stream/driver"
)

// poller is the goroutine that uses the source: it alone calls Poll, Start and Pause. Any goroutine may call do, and the
// conductor park. The poller itself calls the other methods.
type poller[T any] struct {
	src      driver.Source
	follower driver.Follower // the source, if it is one
	memory   *memory
	backlog  *backlog
	keys     *keyWatch
	log      *slog.Logger
	ask      func(reason string) // for a cut

	mu     sync.Mutex
	todo   []func(context.Context) error
	cancel context.CancelFunc // of the Poll in progress
	wake   chan struct{}      // something was added to todo

	lanes     map[string]*lane[T] // that were started
	restarted bool                // lanes were started after the source had ended

	// For the conductor.
	rebalances chan rebalance[T]
	eof        chan struct{}
	broken     chan *sourceError
}

func newPoller[T any](src driver.Source, follower driver.Follower, m *memory, b *backlog, keys *keyWatch, log *slog.Logger, ask func(string)) *poller[T] {
	return &poller[T]{
		src: src, follower: follower, memory: m, backlog: b, keys: keys, log: log, ask: ask, wake: make(chan struct{}, 1), lanes: map[string]*lane[T]{},
		rebalances: make(chan rebalance[T], 1), eof: make(chan struct{}, 1), broken: make(chan *sourceError, 1),
	}
}

// do runs f on the poller's goroutine, soon: it interrupts a Poll in progress.
func (p *poller[T]) do(f func(context.Context) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.todo = append(p.todo, f)
	if p.cancel != nil {
		p.cancel()
	}
	retry.Wake(p.wake)
}

// rebalance is an assignment message of the source. The poller waits until the conductor replies with the lanes to start.
type rebalance[T any] struct {
	batch *driver.Batch
	reply chan []starting[T]
}

// starting is a lane that is ready to begin.
type starting[T any] struct {
	lane  *lane[T] // nil if it was over before
	start driver.Start
}

// run polls until ctx is done. It gives an error of the source to the conductor, and returns any other.
func (p *poller[T]) run(ctx context.Context) error {
	err := p.pollAll(ctx)
	var broken *sourceError
	switch {
	case err == nil || ctx.Err() != nil:
	case errors.As(err, &broken):
		p.broken <- broken // one at most: has room
	default:
		return err
	}
	return nil //nolint:nilerr // ctx has ended, or the conductor has the error
}

// sourceError is an error of Poll. What the source delivered before it is good.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return fmt.Sprintf("stream: poll: %v", e.err) }
func (e *sourceError) Unwrap() error { return e.err }

func (p *poller[T]) pollAll(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := p.pollOn(ctx, p.interruptible(ctx)); err != nil {
			return err
		}
	}
	return nil
}

// pollOn polls until poll ends, which interrupts it.
func (p *poller[T]) pollOn(ctx, poll context.Context) error {
	for poll.Err() == nil {
		if err := p.runTodo(ctx); err != nil {
			return err
		}
		b, err := p.src.Poll(poll)
		switch {
		case errors.Is(err, io.EOF):
			err = p.atEOF(ctx)
		case err != nil && poll.Err() != nil:
			err = nil
		case err != nil:
			err = &sourceError{err}
		case b != nil:
			err = p.polled(ctx, b)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// interruptible returns a context for Polls. do ends it.
func (p *poller[T]) interruptible(ctx context.Context) context.Context {
	poll, cancel := context.WithCancel(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cancel != nil {
		p.cancel()
	}
	p.cancel = cancel
	return poll
}

// runTodo runs what was given to do.
func (p *poller[T]) runTodo(ctx context.Context) error {
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

// polled handles a batch: assignments go to the conductor, records to the worker of their lane.
func (p *poller[T]) polled(ctx context.Context, b *driver.Batch) error {
	if len(b.Assigned)+len(b.Revoked) > 0 {
		r := rebalance[T]{batch: b, reply: make(chan []starting[T], 1)}
		p.rebalances <- r // one at most: has room
		starts, err := p.await(ctx, r.reply)
		if err != nil {
			return err
		}
		for _, name := range b.Revoked {
			delete(p.lanes, name)
		}
		if err := p.start(ctx, starts); err != nil {
			return err
		}
		p.backlog.started()
	}
	if b.Lane == "" {
		b.Release()
		return nil
	}
	l := p.lanes[b.Lane]
	if l == nil { // revoked or not started yet: the next start reads these records again
		b.Release()
		return nil
	}
	p.keys.unkeyed(b)
	n := size(b)
	over := p.memory.charge(n)
	p.memory.queued.Add(n)
	q := l.queued.Add(n)
	it := item[T]{lane: l, batch: b, bytes: n}
	if !b.Warm {
		it.fresh = int64(len(b.Records) + len(b.Unreadable))
	}
	p.backlog.waiting.Add(it.fresh)
	l.w.inbox.push(it)
	if q > p.memory.share.Load() {
		p.pause(l)
	}
	if over && !p.memory.choked.Load() {
		p.choke()
	}
	return nil
}

// await waits for the conductor's reply. Meanwhile it runs what do was given.
func (p *poller[T]) await(ctx context.Context, reply chan []starting[T]) ([]starting[T], error) {
	for {
		if err := p.runTodo(ctx); err != nil {
			return nil, err
		}
		select {
		case starts := <-reply:
			return starts, nil
		case <-p.wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// start begins lanes at the source.
func (p *poller[T]) start(ctx context.Context, starts []starting[T]) error {
	for _, s := range starts {
		name := s.start.Lane
		if old := p.lanes[name]; old != nil && old.paused.Load() {
			p.src.Pause(name, false)
		}
		if err := p.src.Start(ctx, s.start); err != nil {
			return fmt.Errorf("stream: start lane %s: %w", name, err)
		}
		if s.lane == nil {
			p.finished([]string{name})
			continue
		}
		p.lanes[name] = s.lane
		if p.memory.choked.Load() {
			s.lane.paused.Store(true)
			p.src.Pause(name, true)
		}
	}
	return nil
}

// park stops the poller until release gives it the lanes to start; nil is none. park fails when ctx or hard ends.
func (p *poller[T]) park(ctx, hard context.Context) (release func([]starting[T]), err error) {
	parked, reply := make(chan struct{}), make(chan []starting[T], 1)
	p.do(func(ctx context.Context) error {
		close(parked)
		select {
		case starts := <-reply:
			if len(starts) == 0 {
				return nil
			}
			p.restarted = true
			err := p.start(ctx, starts)
			p.backlog.started()
			return err
		case <-ctx.Done():
			return nil
		}
	})
	select {
	case <-parked:
		return func(starts []starting[T]) { reply <- starts }, nil
	case <-hard.Done():
		return nil, context.Cause(hard)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// atEOF tells the conductor that the source has delivered everything. Then it waits: after a fence the conductor may start
// lanes again.
func (p *poller[T]) atEOF(ctx context.Context) error {
	p.restarted = false
	p.eof <- struct{}{} // one at most: the conductor empties it before it starts lanes again
	for {
		if err := p.runTodo(ctx); err != nil {
			return err
		}
		if p.restarted {
			return nil
		}
		select {
		case <-p.wake:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// finished tells the source that lanes are over.
func (p *poller[T]) finished(lanes []string) {
	for _, name := range lanes {
		delete(p.lanes, name)
	}
	p.follower.Finish(lanes)
}
