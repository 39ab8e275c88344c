// Package clock reads the clock of a store, and doubts it.
package clock

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/internal/steady"
	"github.com/onceflow/onceflow/sink/driver"
)

// Error says that the store's clock is in doubt: it has stepped, or differs from this machine's by more than an hour when
// the job begins. The job goes on with two clocks, the store's and what it should be. Where something must have passed it
// uses the earlier one; where something lies in the future, the later. That ends when the store's clock is back, or has
// gone on from there for ten minutes. The error is in stream.Status.Unclosed.
type Error struct {
	Told     time.Time // by the store
	Expected time.Time
}

func (e *Error) Error() string {
	return fmt.Sprintf("sink: the store's clock says %s and should say %s: it, or this machine's, was set or stopped; until it is back, or "+
		"has stayed there for %s, hours close by the earlier clock", e.Told.UTC().Format(time.RFC3339),
		e.Expected.UTC().Format(time.RFC3339), steady.Default.Persist)
}

// Clock is the store's clock as a job sees it. It is safe for concurrent use.
type Clock struct {
	store  driver.Store
	env    *env.Env
	steady steady.Clock // without limits it is believed at once

	mu     sync.Mutex // a leaf
	latest time.Time
	doubt  *Error // nil: none
}

// New returns the clock of a store.
func New(store driver.Store, e *env.Env) *Clock {
	c := &Clock{store: store, env: e}
	if e.Mono != nil && e.Wall != nil && !driver.TraitsOf(store).FakeClock {
		c.steady.Limits = steady.Default
		if e.Steady != nil {
			c.steady.Limits = *e.Steady
		}
	}
	return c
}

// Now reads the store's clock. While that is in doubt it returns the earlier of what the clock says and of what it should
// say. newest is the latest time that any process is known to have read from it.
func (c *Clock) Now(ctx context.Context, log *slog.Logger, newest time.Time) (time.Time, error) {
	told, err := c.store.Now(ctx)
	if err != nil {
		return time.Time{}, fmt.Errorf("sink: read the store's clock: %w", err)
	}
	told = told.UTC().Round(0)
	if c.steady.Limits == (steady.Limits{}) {
		_ = c.note(told, nil)
		return told, nil
	}
	t := c.steady.Read(told, c.env.Mono(), c.env.Wall().UTC().Round(0), newest)
	var doubt *Error
	if t.Doubt {
		doubt = &Error{Told: told, Expected: t.Expected}
	}
	switch was := c.note(t.Latest, doubt); {
	case was == nil && doubt != nil:
		log.Warn("the store's clock is not believed", "error", doubt)
	case was != nil && doubt == nil:
		log.Info("the store's clock is believed again", "at", told)
	}
	return t.At.UTC(), nil
}

// note saves what a reading shows, and returns the doubt before it.
func (c *Clock) note(latest time.Time, doubt *Error) *Error {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.doubt
	c.latest, c.doubt = latest, doubt
	return was
}

// Latest is the latest time that the store's clock can have had when Now read it.
func (c *Clock) Latest() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.latest
}

// Doubt returns an *Error if the clock is in doubt, so that hours may close late.
func (c *Clock) Doubt() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.doubt == nil {
		return nil
	}
	return c.doubt
}
