package stream

import (
	"errors"
	"math"
	"time"

	"github.com/onceflow/onceflow/internal/when"
)

// ErrEventTime is why a record without a usable event time was rejected: see Options.Future and Options.Past.
var ErrEventTime = errors.New("stream: event time is missing, too far in the future or too far in the past")

// usable reports whether a time can be meant as an event time. One that cannot would close hours too early or begin a job's
// hours long ago, and the ledger could not hold it.
func (c *laneCore) usable(t time.Time) bool {
	switch {
	case timeMissing(t), !when.Held(t):
		return false
	case !c.limit.IsZero() && t.After(c.limit):
		return false
	case !c.oldest.IsZero() && t.Before(c.oldest):
		return false
	}
	return true
}

// noNumber is in 1677: what NaN becomes as a number of nanoseconds, in seconds since 1970. As seconds, milliseconds or
// microseconds it is a time that no ledger can hold.
const noNumber = math.MinInt64/1_000_000_000 - 1

// timeMissing reports whether t is what an absent field or no number decodes to: the zero time, a small number of seconds
// or milliseconds since 1970, or what a conversion of NaN to an integer leaves.
func timeMissing(t time.Time) bool {
	const day = 24 * 60 * 60
	s := t.Unix()
	return t.IsZero() || (-day < s && s < day) || s == noNumber
}

// arrivalOf is when a record came into its log, for Progress.Arrived; zero if its time is none that a ledger can hold. A
// broker's clock, a producer in microseconds or a file's time may say anything, and the event time need not be wrong.
func (c *laneCore) arrivalOf(r *Record) time.Time {
	if !when.Held(r.Time) {
		if !r.Time.IsZero() {
			c.oddTimes++
		}
		return time.Time{}
	}
	return r.Time
}
