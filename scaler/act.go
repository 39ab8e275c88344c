package scaler

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/onceflow/onceflow/internal/retry"
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
	err := retry.Loop{
		First: time.Second, Most: time.Minute,
		Again: func(n int, err error) bool { return n <= s.o.Retries && !errors.Is(err, ErrConflict) },
	}.Do(ctx, func(ctx context.Context) error {
		_, err := bounded(ctx, s.o.Timeout, func(ctx context.Context) (struct{}, error) {
			return struct{}{}, s.target.Resize(ctx, c)
		})
		return err
	})
	if err == nil {
		s.last, s.size = c, c.To
		d.Action = Changed
		return
	}
	if ctx.Err() != nil && !errors.Is(err, ErrConflict) {
		err = errors.Join(err, context.Cause(ctx))
	}
	if !errors.Is(err, ErrConflict) {
		s.tried = c
	}
	d.Action = Refused
	d.Err = errors.Join(d.Err, fmt.Errorf("scaler: resize from %s to %s: %w", c.From, c.To, err))
}

var errLeadEnded = errors.New("scaler: the time to lead has ended")
