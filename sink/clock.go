package sink

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/internal/steady"
	storage "github.com/onceflow/onceflow/sink/driver"
)

// ClockError says that the store's clock is in doubt: it has stepped, or differs from this machine's by more than an hour
// when the job begins. The job goes on, by the earlier of the two clocks where something must have passed, and by the later
// one where something lies in the future, until the store's clock is back or has gone on from there for ten minutes. It is in
// stream.Status.Unclosed.
type ClockError struct {
	Told     time.Time // by the store
	Expected time.Time
}

func (e *ClockError) Error() string {
	return fmt.Sprintf("sink: the store's clock says %s and should say %s: it, or this machine's, was set or stopped; until it is back, or "+
		"has stayed there for %s, hours close by the earlier clock", e.Told.UTC().Format(time.RFC3339),
		e.Expected.UTC().Format(time.RFC3339), steady.Default.Persist)
}

// clock is the store's clock as a keeper sees it.
type clock struct {
	steady steady.Clock

	mu     sync.Mutex
	latest time.Time
	doubt  *ClockError // nil: none
}

// limits sets up c for a store.
func (c *clock) limits(k *keeper, store Store) {
	if k.env.Mono == nil || k.env.Wall == nil || storage.TraitsOf(store).FakeClock {
		return
	}
	c.steady.Limits = steady.Default
	if k.env.Steady != nil {
		c.steady.Limits = *k.env.Steady
	}
}

// now reads the store's clock. While it is in doubt that is the earlier of what it says and of what it should say.
func (k *keeper) now(ctx context.Context) (time.Time, error) {
	told, err := k.store.Now(ctx)
	if err != nil {
		return time.Time{}, fmt.Errorf("sink: read the store's clock: %w", err)
	}
	told = told.UTC().Round(0)
	c := &k.clock
	if c.steady.Limits == (steady.Limits{}) {
		_ = c.note(told, nil)
		return told, nil
	}
	var newest time.Time
	if v := k.view.Load(); v != nil {
		newest = v.at
	}
	t := c.steady.Read(told, k.env.Mono(), k.env.Wall().UTC().Round(0), newest)
	var doubt *ClockError
	if t.Doubt {
		doubt = &ClockError{Told: told, Expected: t.Expected}
	}
	switch was := c.note(t.Latest, doubt); {
	case was == nil && doubt != nil:
		k.log.Warn("the store's clock is not believed", "error", doubt)
	case was != nil && doubt == nil:
		k.log.Info("the store's clock is believed again", "at", told)
	}
	return t.At.UTC(), nil
}

// ReadClock reads a store's clock once, as a job does that begins: now is the earlier of what it says and of what it should say,
// and doubt is why it is not believed; nil if it is. newest is a time that a job has read from it before.
func ReadClock(ctx context.Context, store Store, newest time.Time) (now time.Time, doubt *ClockError, err error) {
	told, err := store.Now(ctx)
	if err != nil {
		return time.Time{}, nil, fmt.Errorf("sink: read the store's clock: %w", err)
	}
	told = told.UTC().Round(0)
	var c steady.Clock
	if !storage.TraitsOf(store).FakeClock {
		c.Limits = steady.Default
	}
	t := c.Read(told, 0, env.From(ctx).Wall().UTC().Round(0), newest)
	if t.Doubt {
		doubt = &ClockError{Told: told, Expected: t.Expected}
	}
	return t.At.UTC(), doubt, nil
}

// note takes down what is known after a reading, and returns the doubt before it.
func (c *clock) note(latest time.Time, doubt *ClockError) *ClockError {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.doubt
	c.latest, c.doubt = latest, doubt
	return was
}

// last is the latest time that the store's clock may have had when it was read.
func (c *clock) last() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.latest
}

// doubts returns why hours may close late: the store's clock is in doubt.
func (c *clock) doubts() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.doubt == nil {
		return nil
	}
	return c.doubt
}
