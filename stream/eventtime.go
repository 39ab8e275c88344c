package stream

import (
	"time"

	"github.com/onceflow/onceflow/internal/when"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// Usable reports whether a time can be meant as an event time. One that cannot would close hours too early or begin a job's
// hours long ago, and the ledger could not hold it.
func (c *laneCore) Usable(t time.Time) bool {
	switch {
	case !stage.UsableTime(t):
		return false
	case !c.limit.IsZero() && t.After(c.limit):
		return false
	case !c.oldest.IsZero() && t.Before(c.oldest):
		return false
	}
	return true
}

// arrivalOf is when a record came into its log, for Progress.Arrived; zero if its time is none that a ledger can hold. A
// broker's clock, a producer in microseconds or a file's time may say anything, and the event time need not be wrong.
func (c *laneCore) arrivalOf(r *record.Record) time.Time {
	if !when.Held(r.Time) {
		if !r.Time.IsZero() {
			c.oddTimes++
		}
		return time.Time{}
	}
	return r.Time
}
