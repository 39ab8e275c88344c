package audit

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// patience ends a context once nothing was seen for too long: a store or a registry that hangs must not keep an audit from
// its report. It is safe for concurrent use.
type patience struct {
	limit  time.Duration
	timer  *time.Timer
	cancel context.CancelFunc

	mu    sync.Mutex
	ended bool
	over  bool
	alive atomic.Bool // there was an answer since the timer was set: to set it with each would cost more than most answers
}

// patient returns a context that ends if seen is not called for limit, or a little longer: for twice as long at most.
func patient(ctx context.Context, limit time.Duration) (context.Context, *patience) {
	ctx, cancel := context.WithCancel(ctx)
	p := &patience{limit: limit, cancel: cancel}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer = time.AfterFunc(limit, p.look)
	return ctx, p
}

func (p *patience) look() {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.ended:
	case p.alive.Swap(false):
		p.timer.Reset(p.limit)
	default:
		p.over = true
		p.cancel()
	}
}

// seen says that there was an answer.
func (p *patience) seen() { p.alive.Store(true) }

// end ends the context. It returns err, and what it means if the patience is over: a listing that was ended may not say so.
func (p *patience) end(err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	p.timer.Stop()
	p.cancel()
	switch {
	case !p.over:
		return err
	case err == nil:
		return fmt.Errorf("no answer for %s", p.limit)
	}
	return fmt.Errorf("no answer for %s: %w", p.limit, err)
}

// within calls f with no more time than limit.
func within(ctx context.Context, limit time.Duration, f func(context.Context) error) error {
	ctx, p := patient(ctx, limit)
	return p.end(f(ctx))
}

// outage is what a round knows of places that do not answer. What failed as often in a row as parts are read at once is not
// asked again in the round: each question may last for as long as Options.Patience.
type outage struct {
	mu     sync.Mutex
	failed map[Place]int
	why    map[Place]error
}

func newOutage() *outage { return &outage{failed: map[Place]int{}, why: map[Place]error{}} }

// ask calls f unless the place is away.
func (o *outage) ask(ctx context.Context, place Place, f func() error) error {
	o.mu.Lock()
	if o.failed[place] >= partsAhead {
		defer o.mu.Unlock()
		return &awayError{place, o.why[place]}
	}
	o.mu.Unlock()
	err := f()
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case err == nil:
		o.failed[place] = 0
		return nil
	case ctx.Err() == nil: // else something else has failed before
		o.failed[place]++
		o.why[place] = err
	}
	return &awayError{place, err}
}

// listings are those of the registry. It is safe for concurrent use.
type listings struct {
	hanging atomic.Int64 // that go on although their contexts have ended
}

// do calls f, which lists a registry. It gives f up if that goes on long after its context has ended, as one may that
// users have made, and lists nothing more until it has returned.
func (l *listings) do(ctx context.Context, f func() error) error {
	if n := l.hanging.Load(); n > 0 {
		return fmt.Errorf("%d listings of the registry go on although their contexts have ended", n)
	}
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = f()
	}()
	select {
	case <-done:
		return err
	case <-ctx.Done():
	}
	grace := time.NewTimer(graceOfListings)
	defer grace.Stop()
	select {
	case <-done:
		return err
	case <-grace.C:
	}
	l.hanging.Add(1)
	go func() {
		<-done
		l.hanging.Add(-1)
	}()
	return fmt.Errorf("a listing of the registry goes on although its context has ended: %w", ctx.Err())
}

const graceOfListings = 5 * time.Second
