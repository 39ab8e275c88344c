package dedup

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Options are the optional settings of ByID; nil means all defaults.
type Options struct {
	// Window is how long an ID is remembered after the event time of the record that has it.
	//
	// Defaults to 24 hours.
	Window time.Duration

	// Bucket is the granularity of forgetting; whole seconds. A window has at most MaxBuckets of them.
	//
	// Defaults to 1 hour, or a whole number of seconds near Window/24 if that is less, or near Window/240 if that is more.
	Bucket time.Duration

	// Name separates the IDs of this stage from those of another ByID of the same job in the same store.
	//
	// Defaults to "id".
	Name string

	// Patience is how long a shared store may fail before the job stops. Meanwhile the lane waits, the source is paused,
	// and Stats.Failing tells why.
	//
	// Defaults to 5 minutes. -1 stops at the first error.
	Patience time.Duration

	// Stats, if set, is where the stage counts.
	Stats *Stats

	// Logger gets a line when a shared store begins to fail and when it works again.
	//
	// Defaults to discarding.
	Logger *slog.Logger
}

// MaxBuckets is the most buckets that a window may have, since stores keep something for each of them.
const MaxBuckets = 1000

func (o *Options) filled() (Options, error) {
	var f Options
	if o != nil {
		f = *o
	}
	f.Window = cmp.Or(f.Window, 24*time.Hour)
	f.Bucket = cmp.Or(f.Bucket, max((f.Window/240).Truncate(time.Second), min(time.Hour, max(time.Second, (f.Window/24).Truncate(time.Second)))))
	f.Name = cmp.Or(f.Name, "id")
	f.Patience = cmp.Or(f.Patience, 5*time.Minute)
	if f.Stats == nil {
		f.Stats = new(Stats)
	}
	if f.Logger == nil {
		f.Logger = slog.New(slog.DiscardHandler)
	}

	var errs []error
	if f.Window < 0 {
		errs = append(errs, fmt.Errorf("dedup: Window %s is negative", f.Window))
	}
	if f.Bucket < time.Second || f.Bucket%time.Second != 0 {
		errs = append(errs, fmt.Errorf("dedup: Bucket %s is not a positive number of seconds", f.Bucket))
	}
	if f.Bucket >= time.Second && f.Window/f.Bucket > MaxBuckets {
		errs = append(errs, fmt.Errorf("dedup: a Window of %s has more than %d Buckets of %s: make Bucket %s or more, or leave it out",
			f.Window, MaxBuckets, f.Bucket, (f.Window/MaxBuckets).Truncate(time.Second)+time.Second))
	}
	if f.Patience < -1 {
		errs = append(errs, fmt.Errorf("dedup: Patience %s is negative", f.Patience))
	}
	return f, errors.Join(errs...)
}
