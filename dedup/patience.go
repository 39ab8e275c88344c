package dedup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/onceflow/onceflow/internal/retry"
)

// patiently calls f until it succeeds or Options.Patience is over. It repeats only calls to a shared table: a local one
// might take a record's first, failed try for another record. While it waits the lane stands still, which is the
// back-pressure. ctx ends it when the lane is taken away.
func (p *processor[T]) patiently(ctx context.Context, again bool, f func(context.Context) error) error {
	err := f(ctx)
	if err == nil || !again || p.opts.Patience < 0 || final(ctx, err) {
		return err
	}
	st := p.opts.Stats
	p.opts.Logger.Warn("the store of IDs fails; the lane waits", "name", p.opts.Name, "err", err, "patience", p.opts.Patience)
	defer st.failing.Store(nil)
	begun := time.Now()
	tired := false
	goOn := func(_ int, err error) bool {
		st.failing.Store(&err)
		tired = time.Since(begun) > p.opts.Patience
		return !tired && !final(ctx, err)
	}
	if goOn(0, err) && retry.Wait(ctx, 50*time.Millisecond) == nil {
		err = retry.Loop{First: 100 * time.Millisecond, Most: 5 * time.Second, Again: goOn}.Do(ctx, func(ctx context.Context) error {
			st.Retries.Add(1)
			return f(ctx)
		})
	}
	switch {
	case err == nil:
		p.opts.Logger.Info("the store of IDs works again", "name", p.opts.Name, "after", time.Since(begun))
		return nil
	case ctx.Err() != nil:
		return errors.Join(ctx.Err(), err)
	case tired && !final(ctx, err):
		return fmt.Errorf("failing for more than %s: %w", p.opts.Patience, err)
	}
	return err
}

// final errors are not mended by time.
func final(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, ErrForgotten) || errors.Is(err, ErrRefused)
}

// ErrRefused matches errors of a Store that a retry does not cure: wrong credentials, a table of another shape, a closed
// store. The job stops at once.
var ErrRefused = errors.New("trying again does not mend it")
