package join

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// Options are the optional settings of a join; nil means all defaults.
type Options struct {
	// Window is how much later than its left event a right one may be, inclusive; in an as-of join, how much earlier.
	//
	// Defaults to 90 seconds.
	Window time.Duration

	// Early is how much earlier than its left event a right one may be, inclusive, since clocks of two senders differ.
	//
	// Defaults to 5 seconds. -1 is none.
	Early time.Duration

	// Grace is how far event time may run ahead of an event that is still to come. A left event without a match leaves
	// Window + Grace after its time, a right one Early + Grace, by event time alone. In an as-of join each left event leaves
	// Grace after its time.
	//
	// Defaults to 10 seconds. -1 is none.
	Grace time.Duration

	// Settled lets no pair form before event time has passed the right event by Early + Grace. Then the pairs depend on
	// times and positions alone, whatever the order of arrival, if nothing comes later than Grace. It delays each pair by
	// Early + Grace, and unmatched left events by Early.
	//
	// Without it a pair forms as soon as both events are there. If several events of one key are so close that they arrive
	// out of order, a crash may change the partner. Choose it where keys repeat within the window and that difference
	// matters.
	Settled bool

	// KeepRight lets right events without a match leave alone, under their own time, where they would be dropped. With it
	// Left is a full outer join, and Inner a right outer one.
	KeepRight bool

	// MaxPending is the most events that may wait in one lane, with the right ones that an as-of join keeps. Beyond it the job stops with a *PendingError, and nothing is
	// lost. Pausing the source would not help: event time moves only by reading, so the lane would wait for ever. When two
	// topics are read after a long stop, the one with fewer records is ahead until the other has caught up, and all its
	// events wait.
	//
	// Defaults to 1,000,000. -1 disables.
	MaxPending int
}

func (o *Options) filled() (Options, error) {
	var f Options
	if o != nil {
		f = *o
	}
	f.Window = cmp.Or(f.Window, 90*time.Second)
	f.Early = orOff(f.Early, 5*time.Second)
	f.Grace = orOff(f.Grace, 10*time.Second)
	f.MaxPending = cmp.Or(f.MaxPending, 1_000_000)

	var errs []error
	for _, d := range []struct {
		name string
		v    time.Duration
	}{{"Window", f.Window}, {"Early", f.Early}, {"Grace", f.Grace}} {
		if d.v < 0 {
			errs = append(errs, fmt.Errorf("join: %s %s is negative", d.name, d.v))
		}
	}
	if f.MaxPending < -1 {
		errs = append(errs, fmt.Errorf("join: MaxPending %d is negative", f.MaxPending))
	}
	return f, errors.Join(errs...)
}

func (o *Options) exceeded(n int) bool { return o.MaxPending > 0 && n > o.MaxPending }

func orOff(d, otherwise time.Duration) time.Duration {
	if d == -1 {
		return 0
	}
	return cmp.Or(d, otherwise)
}

// PendingError says that more events wait for a partner, or are kept for others, than Options.MaxPending allows.
type PendingError struct {
	Lane         string
	Pending      int
	MaxEventTime time.Time // event time of the lane so far; zero before the first Advance
}

func (e *PendingError) Error() string {
	eventTime := "no event time yet"
	if !e.MaxEventTime.IsZero() {
		eventTime = "event time " + e.MaxEventTime.Format(time.RFC3339)
	}
	return fmt.Sprintf("join: %d events wait for a partner in lane %s at %s, more than MaxPending; nothing is lost: begin again"+
		" with a larger MaxPending, or none (-1), or with a shorter window", e.Pending, e.Lane, eventTime)
}
