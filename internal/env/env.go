// Package env is what the driver of a ledger takes from the world beside its store: time, chance and goroutines. A
// simulator puts its own in their place and so decides every interleaving; everybody else has [Default].
package env

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/internal/steady"
)

// Env is immutable once it is in use, and safe for concurrent use if its functions are.
type Env struct {
	// Rand returns 64 random bits. Tokens are made of them, so that of the default must be unpredictable.
	Rand func() uint64

	// Sleep waits for d, or until ctx is done and then returns its error.
	Sleep func(ctx context.Context, d time.Duration) error

	// Now is the wall clock. It only decides how often something is tried, never what is right.
	Now func() time.Time

	// Mono is the time that has passed since some moment, whatever clocks are set to, and Wall the machine's clock, to compare a
	// store's clock with. Nil: the store's clock is believed. Steady says when it is not; nil is steady.Default.
	Mono   func() time.Duration
	Wall   func() time.Time
	Steady *steady.Limits

	// Parallel is the number of goroutines that Each uses. 1 means none beside the caller's.
	Parallel int

	// Attempt bounds one request to a store. 0 means no bound.
	Attempt time.Duration

	// MaxEntry is the length in bytes from which on parts of an entry become blobs, and SnapshotEvery the distance of
	// snapshots. 0 is what package ledger says, which no simulation would reach.
	MaxEntry      int
	SnapshotEvery uint64

	// GoneAfter is for how long a finished partition is missed until it is forgotten for good. 0 is what package sink says.
	GoneAfter time.Duration

	// MergeUnit and MergeFile are how many bytes of packs are merged at a time, and at how many a merged file is cut. 0 is what
	// package sink says.
	MergeUnit, MergeFile int64

	// Scheduler is nil but in a simulation.
	Scheduler Scheduler
}

// Default is the real world.
func Default() *Env {
	begun := time.Now()
	return &Env{
		Rand: random, Sleep: sleep, Now: time.Now, Parallel: 8, Attempt: 30 * time.Second,
		Mono: func() time.Duration { return time.Since(begun) }, Wall: time.Now,
	}
}

func random() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the process instead
	return binary.LittleEndian.Uint64(b[:])
}

func sleep(ctx context.Context, d time.Duration) error { return retry.Sleep(ctx, d, nil) }

type key struct{}

// With returns a context in which packages of this module find e. The hook is a context, not an option, because it is
// not API.
func With(ctx context.Context, e *Env) context.Context { return context.WithValue(ctx, key{}, e) }

// From is the Env of ctx, or Default.
func From(ctx context.Context) *Env {
	if e, ok := ctx.Value(key{}).(*Env); ok {
		return e
	}
	return Default()
}

// Wide is e for many small reads, which wait more than they work: with four times as many goroutines, if there are any.
func (e *Env) Wide() *Env {
	w := *e
	if w.Parallel > 1 {
		w.Parallel *= 4
	}
	return &w
}

// errPanicked is seen only by what runs on for a moment beside a panic.
var errPanicked = errors.New("a goroutine ended without a result: the process is about to die of its panic")

// Each calls f for 0 to n-1, at most Parallel at once, and waits for all that it began. After an error, or the end of ctx,
// it begins no more; it returns the first. It is nil only if all n have returned nil: a panic of f wakes us up while the
// process is still dying of it, and a commit once used that moment to leave out the file whose codec had panicked.
func (e *Env) Each(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	if e.Parallel <= 1 || n <= 1 {
		for i := range n {
			if err := f(ctx, i); err != nil {
				return err
			}
		}
		return nil
	}
	g, within := errgroup.WithContext(ctx)
	var next, returned atomic.Int64
	for range min(e.Parallel, n) { // whose stacks grow once, not for each of thousands of calls
		g.Go(func() error {
			for within.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					break
				}
				err := f(within, i)
				returned.Add(1)
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := g.Wait()
	if err == nil && returned.Load() < int64(n) {
		err = cmp.Or(context.Cause(ctx), errPanicked)
	}
	return err
}

// Jitter returns a random duration between d/2 and d.
func (e *Env) Jitter(d time.Duration) time.Duration {
	half := d / 2
	if half <= 0 {
		return d
	}
	return half + time.Duration(e.Rand()%uint64(half))
}
