package scaler

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// act asks the target for the new size until it agrees, says that somebody else was faster, or the patience or the lead
// is over.
func (s *Scaler) act(ctx context.Context, until time.Time, d *Decision) {
	c := Change{At: d.At, From: d.From, To: d.To, Why: d.Why}
	if !until.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, until.Sub(s.o.Now()), errLeadEnded)
		defer cancel()
	}
	var err error
	for try := 0; try <= max(0, s.o.Retries); try++ {
		if try > 0 && !wait(ctx, time.Second<<(try-1)) {
			err = errors.Join(err, context.Cause(ctx))
			break
		}
		_, err = bounded(ctx, s.o.Timeout, func(ctx context.Context) (struct{}, error) {
			return struct{}{}, s.target.Resize(ctx, c)
		})
		if err == nil {
			s.last, s.size = c, c.To
			d.Action = Changed
			return
		}
		if errors.Is(err, ErrConflict) {
			break
		}
	}
	if !errors.Is(err, ErrConflict) {
		s.tried = c
	}
	d.Action = Refused
	d.Err = errors.Join(d.Err, fmt.Errorf("scaler: resize from %s to %s: %w", c.From, c.To, err))
}

var errLeadEnded = errors.New("scaler: the time to lead has ended")

// wait waits between half of d and d, so that several scalers do not ask at once. It reports false if ctx ended.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d/2 + rand.N(d/2+1))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
