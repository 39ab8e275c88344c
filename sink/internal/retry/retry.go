// Package retry calls a store again after errors that may pass.
package retry

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"syscall"
	"time"

	"github.com/onceflow/onceflow/internal/env"
	again "github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/sink/driver"
	streamdriver "github.com/onceflow/onceflow/stream/driver"
)

// attempts is how often a call of a store is tried: for about 10 seconds, with the pauses below. Longer outages are up to
// the caller, who knows whether to go on.
const attempts = 7

// Stop marks err as one that a retry would only meet again: the result matches driver.ErrStop.
func Stop(err error) error { return hopeless{err} }

type hopeless struct{ error }

func (e hopeless) Is(target error) bool { return target == streamdriver.ErrStop }
func (e hopeless) Unwrap() error        { return e.error }

// permanent reports whether err will not go away by itself. An invalid ledger, manifest or seal matches driver.ErrStop.
func permanent(err error) bool {
	for _, e := range []error{
		fs.ErrExist, fs.ErrNotExist, fs.ErrPermission, fs.ErrInvalid, errors.ErrUnsupported,
		driver.ErrPermanent, streamdriver.ErrStop, syscall.ENOSPC, syscall.EROFS,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Do calls f until it succeeds, its error is permanent, or all attempts are used.
func Do(ctx context.Context, e *env.Env, f func(ctx context.Context) error) error {
	return While(ctx, e, f, func(try int, _ error) bool { return try < attempts })
}

// While calls f until it succeeds, its error is permanent, or more returns false for the number of tries so far and the
// last error. Pauses begin at 50 ms and grow to 5 s.
func While(ctx context.Context, e *env.Env, f func(ctx context.Context) error, more func(int, error) bool) error {
	return again.Loop{
		First: 100 * time.Millisecond, Most: 5 * time.Second, Attempt: e.Attempt,
		Again: func(try int, err error) bool { return !permanent(err) && more(try, err) },
		Wait:  func(ctx context.Context, d time.Duration) error { return Wait(ctx, e, d) },
	}.Do(ctx, f)
}

// Wait is again.Wait by the clock and the chance of e.
func Wait(ctx context.Context, e *env.Env, d time.Duration) error { return e.Sleep(ctx, e.Jitter(d)) }

// Insist calls f, which itself retries, until it succeeds, ctx is done, or its error is permanent.
func Insist(ctx context.Context, e *env.Env, log *slog.Logger, what string, f func(context.Context) error) error {
	for {
		err := f(ctx)
		if err == nil || ctx.Err() != nil || permanent(err) {
			return err
		}
		log.Warn("the store fails; trying on", "what", what, "err", err)
		if Wait(ctx, e, 5*time.Second) != nil {
			return err
		}
	}
}
