// Package retry tries again what failed: when, and for how long to wait before. docs/operations.md has a table of who
// tries what again, so that no two loops around one call multiply their attempts.
//
// Pauses are measured by the monotonic clock. They double up to a bound, and each is shortened by up to a half at random, so
// that those who failed together do not come back together.
//
// Modules of their own (sink/gcs, sink/azure) use the package: whoever changes what it exports releases all of them together.
package retry

import (
	"context"
	"math/rand/v2"
	"time"
)

// Loop says how often a call is made and how long the pauses between are.
type Loop struct {
	// First is the pause after the first failure, Most the longest. Both are before the shortening at random.
	First, Most time.Duration

	// Attempt bounds the time of each call. 0 means no bound.
	Attempt time.Duration

	// Again says after the nth call has failed whether to make another. It is not asked once the context has ended.
	Again func(n int, err error) bool

	// Wait waits for about d or until ctx ends, which is its only error. Nil is the function Wait.
	Wait func(ctx context.Context, d time.Duration) error
}

// Do calls f, at least once, until it succeeds, Again says no, or ctx ends. The error is the last of f.
func (l Loop) Do(ctx context.Context, f func(context.Context) error) error {
	wait := l.Wait
	if wait == nil {
		wait = Wait
	}
	for n := 1; ; n++ {
		err := Attempt(ctx, l.Attempt, f)
		if err == nil || ctx.Err() != nil || !l.Again(n, err) || wait(ctx, Pause(l.First, l.Most, n)) != nil {
			return err
		}
	}
}

// Attempt calls f once, within limit. 0 means no bound.
func Attempt(ctx context.Context, limit time.Duration, f func(context.Context) error) error {
	if limit <= 0 {
		return f(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return f(ctx)
}

// Pause is how long to wait after n failures in a row: first after one, doubled for each more, and most in the end.
func Pause(first, most time.Duration, n int) time.Duration {
	d := first
	for range n - 1 {
		if d >= most {
			break
		}
		d *= 2
	}
	return min(d, most)
}

// Jitter is a random time between half of d and d.
func Jitter(d time.Duration) time.Duration {
	if d < 2 {
		return d
	}
	return d - rand.N(d/2+1)
}

// Around is a random time within a tenth of d, for what all instances do regularly: so they do not do it together.
func Around(d time.Duration) time.Duration { return d - d/10 + rand.N(d/5+1) }

// Wait waits for Jitter(d), or until ctx ends, and then returns its error.
func Wait(ctx context.Context, d time.Duration) error { return Sleep(ctx, Jitter(d), nil) }

// Wake ends a Sleep that c wakes, or the next one. c has room for one.
func Wake(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Sleep waits for d itself, until wake gives something, or until ctx ends, which is its only error. wake may be nil.
func Sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) error {
	if err := ctx.Err(); err != nil || d <= 0 {
		return err
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-wake:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}
