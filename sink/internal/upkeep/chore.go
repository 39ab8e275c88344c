package upkeep

import (
	"context"
	"errors"
	"time"

	"github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/sink/internal/journal"
	"github.com/onceflow/onceflow/stream/driver"
)

const (
	choreEvery = time.Hour
	choreAgain = time.Minute // after one that failed
)

// chore is work that is done now and then and that nobody waits for.
type chore struct {
	what    string
	journal *journal.Journal
	do      func(context.Context) error

	next   time.Time
	fails  int // since it succeeded
	failed error
}

// Failed is why it failed the last time; nil if it did not.
func (c *chore) Failed() error { return c.failed }

// IfDue does it now and then. A failure is logged and reported by Failed, and it is tried again: after a minute at first,
// less often later. IfDue returns only errors that end the job.
func (c *chore) IfDue(ctx context.Context, now time.Time) error {
	if now.Before(c.next) || ctx.Err() != nil {
		return nil //nolint:nilerr // the end of the context is said elsewhere
	}
	err := c.do(ctx)
	switch {
	case err == nil:
		c.failed, c.fails = nil, 0
		c.next = now.Add(c.journal.Objects.Env.Jitter(choreEvery))
	case errors.Is(err, driver.ErrStop):
		return err
	case ctx.Err() == nil:
		c.failed = err
		c.fails++
		pause := retry.Pause(choreAgain, choreEvery, c.fails)
		c.next = now.Add(pause)
		c.journal.Log.Warn(c.what+" failed", "err", err, "again in", pause)
	}
	return nil
}
