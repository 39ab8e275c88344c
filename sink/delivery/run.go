package delivery

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"time"

	again "github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/internal/retry"
	"github.com/onceflow/onceflow/stream/driver"
)

// The pauses before something that failed is tried again, which grow from the first to the longest.
const (
	firstPause   = 500 * time.Millisecond
	longestPause = time.Minute
)

// Run delivers until ctx ends; that is no error. Nor is the end of what is there, if Options.Poll is -1. It goes on for as long as the
// target or the store fail, however long that is. It returns an error only if the ledger is not what it was: a *LedgerError, or one
// that matches stream.ErrStop.
func (d *Delivery) Run(ctx context.Context) error {
	watching, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { d.watch(watching) })
	defer func() {
		stop()
		wg.Wait()
		d.tell(true)
	}()
	for failed := 0; ; {
		err := d.round(ctx)
		switch {
		case ctx.Err() != nil || err == nil:
			return nil // the end of ctx is the end of the delivery, whatever came of it
		case final(err):
			return err
		case errors.Is(err, ErrFenced):
			d.log.Debug("another process has gone on")
			failed = 0
			_ = d.wait(ctx, max(d.opts.Poll, firstPause))
		default:
			failed++
			d.fails("read", err)
			_ = d.wait(ctx, again.Pause(firstPause, longestPause, failed))
		}
	}
}

// wait waits for half of pause to all of it, or until ctx ends.
func (d *Delivery) wait(ctx context.Context, pause time.Duration) error {
	return retry.Wait(ctx, d.env, pause)
}

// final reports whether only a person can go on.
func final(err error) bool {
	var e *LedgerError
	return errors.As(err, &e) || errors.Is(err, driver.ErrStop)
}

// round delivers from the state that is kept on, until something happens that makes it read the state anew.
func (d *Delivery) round(ctx context.Context) error {
	s, err := d.book.state(ctx)
	if err != nil {
		return err
	}
	d.board.know(s)
	t, err := d.begun(ctx, s)
	if err != nil {
		return err
	}
	d.works("read")
	ctx, cancel := context.WithCancel(ctx)
	f := &flight{d: d, at: s.Cursor}
	defer f.wg.Wait()
	defer cancel()
	units, ended := make(chan *Unit), make(chan error, 1)
	f.wg.Go(func() { ended <- d.read(ctx, s.Cursor, t, units) })
	return f.run(ctx, units, ended)
}

// begun waits for the job to begin.
func (d *Delivery) begun(ctx context.Context, s State) (sink.Tail, error) {
	for {
		t, err := d.check(ctx, s)
		if d.opts.Poll < 0 || !errors.Is(err, fs.ErrNotExist) {
			return t, err
		}
		if err := d.wait(ctx, d.opts.Poll); err != nil {
			return t, err
		}
	}
}

// read passes units on, at the speed at which they are taken.
func (d *Delivery) read(ctx context.Context, from Cursor, t sink.Tail, units chan<- *Unit) error {
	for u, err := range d.source.units(ctx, from, t) {
		if err != nil {
			return err
		}
		d.board.read(u)
		select {
		case units <- u:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return ctx.Err()
}

// insist calls f until it succeeds, the answer is one of those that a repetition does not change, or ctx ends. what tells apart
// what fails at the same time.
func (d *Delivery) insist(ctx context.Context, what string, f func(context.Context) error) error {
	for n := 1; ; n++ {
		err := f(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		blocked := errors.Is(err, ErrRefused) && d.opts.Ordered
		if err == nil || errors.Is(err, ErrRefused) && !blocked || errors.Is(err, ErrFenced) || final(err) {
			d.works(what)
			return err
		}
		d.fails(what, err)
		pause := again.Pause(firstPause, longestPause, n)
		if blocked {
			pause = longestPause
		}
		if err := d.wait(ctx, pause); err != nil {
			return err
		}
	}
}
