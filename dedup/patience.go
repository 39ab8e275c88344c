package dedup

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// patiently calls f until it succeeds or Options.Patience is over. Only calls to a shared table may be made again: a
// local one might take a record's first, failed try for another record. While it waits the lane stands still, which is
// the back-pressure; ctx ends it when the lane is taken away.
func (p *processor[T]) patiently(ctx context.Context, again bool, f func(context.Context) error) error {
	err := f(ctx)
	if err == nil || !again || p.opts.Patience < 0 || final(ctx, err) {
		return err
	}
	st := p.opts.Stats
	p.opts.Logger.Warn("the store of IDs fails; the lane waits", "name", p.opts.Name, "err", err, "patience", p.opts.Patience)
	defer st.failing.Store(nil)
	begun := time.Now()
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		failed := err // Failing reads it while err changes
		st.failing.Store(&failed)
		if time.Since(begun) > p.opts.Patience {
			return fmt.Errorf("failing for more than %s: %w", p.opts.Patience, err)
		}
		t := time.NewTimer(wait/2 + rand.N(wait/2))
		select {
		case <-ctx.Done():
			t.Stop()
			return errors.Join(ctx.Err(), err)
		case <-t.C:
		}
		st.Retries.Add(1)
		if err = f(ctx); err == nil {
			p.opts.Logger.Info("the store of IDs works again", "name", p.opts.Name, "after", time.Since(begun))
			return nil
		}
		if final(ctx, err) {
			return err
		}
	}
}

// final errors are not mended by time.
func final(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, ErrForgotten) || errors.Is(err, ErrRefused)
}

// ErrRefused is matched by errors of a Store that trying again does not mend: wrong credentials, a table of another
// shape, a closed store. The job stops at once.
var ErrRefused = errors.New("trying again does not mend it")
