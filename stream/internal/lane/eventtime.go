package lane

import (
	"time"

	"github.com/onceflow/onceflow/internal/when"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// At says what the time is before a call that works on records: now by the output's clock, beyond which no record moves a
// clock, and the bounds of event times. Zero is none.
func (c *Lane) At(now, oldest, limit time.Time) { c.now, c.oldest, c.limit = now, oldest, limit }

// Usable reports whether a time can be meant as an event time. One that cannot would close hours too early or begin a job's
// hours long ago, and the ledger could not hold it.
func (c *Lane) Usable(t time.Time) bool {
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
func (c *Lane) arrivalOf(r *record.Record) time.Time {
	if !when.Held(r.Time) {
		if !r.Time.IsZero() {
			c.oddTimes++
		}
		return time.Time{}
	}
	return r.Time
}
