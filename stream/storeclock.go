package stream

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/onceflow/onceflow/internal/when"
)

// storeClock estimates the output's clock between questions. It adds monotonic time to the last answer, since the machine's
// clock may be set at any moment.
type storeClock struct {
	last atomic.Pointer[clockReading]
}

// clockReading is what the output said of its clock. It is immutable.
type clockReading struct {
	at, latest time.Time // as in Output.Now
	asked      time.Time // by the machine's clock, with its monotonic reading
}

// set notes an answer of the output. latest is zero if the output has no doubts.
func (c *storeClock) set(at, latest time.Time) {
	c.last.Store(&clockReading{at.Round(0), when.Later(at.Round(0), latest.Round(0)), time.Now()})
}

// now returns the earliest and the latest time that the output's clock may show. Both are zero before set.
func (c *storeClock) now() (at, latest time.Time) {
	r := c.last.Load()
	if r == nil {
		return at, latest
	}
	since := time.Since(r.asked)
	return r.at.Add(since), r.latest.Add(since)
}

// ask sets the clock by the answer of now, which is Output.Now.
func (c *storeClock) ask(ctx context.Context, now func(context.Context) (at, latest time.Time, err error)) (time.Time, error) {
	at, latest, err := now(ctx)
	if err == nil {
		c.set(at, latest)
	}
	return at, err
}
