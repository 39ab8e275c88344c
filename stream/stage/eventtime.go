package stage

import (
	"errors"
	"math"
	"time"

	"github.com/onceflow/onceflow/internal/when"
)

// ErrEventTime is why a record without a usable event time was rejected: see stream.Options.Future and stream.Options.Past.
var ErrEventTime = errors.New("stream: event time is missing, too far in the future or too far in the past")

// UsableTime reports whether t can be an event time at all: it is not missing, and a ledger can hold it.
func UsableTime(t time.Time) bool { return !timeMissing(t) && when.Fits(t) }

// noNumber is what a conversion of NaN to nanoseconds gives, in seconds since 1970: a time in 1677. Taken for seconds,
// milliseconds or microseconds, NaN gives a time that no ledger can hold.
const noNumber = math.MinInt64/1_000_000_000 - 1

// timeMissing reports whether t is what an absent field or NaN decodes to: the zero time, a small number of seconds or
// milliseconds since 1970, or noNumber.
func timeMissing(t time.Time) bool {
	const day = 24 * 60 * 60
	s := t.Unix()
	return t.IsZero() || (-day < s && s < day) || s == noNumber
}
