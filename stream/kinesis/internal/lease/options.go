package lease

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Options are the optional settings of Join; nil means all defaults.
type Options struct {
	// Lease is how long a member must have been silent before others take its leases. It is the longest that a lane
	// waits after a crash. A member that is silent for longer, in a pause or cut off, does its work since the last
	// commit for nothing.
	//
	// Defaults to 10 seconds.
	Lease time.Duration

	// Beat is the time between two looks at the table. At most a third of Lease.
	//
	// Defaults to a tenth of Lease.
	Beat time.Duration

	// HandOver is how long an owner may take to commit and give away a lease that another has asked for. Then it loses
	// the lease, and the work since its last commit is done again.
	//
	// Defaults to 30 seconds.
	HandOver time.Duration

	// Logger gets what happens to leases. Defaults to slog.Default().
	Logger *slog.Logger
}

func (o *Options) fill() (Options, error) {
	var out Options
	if o != nil {
		out = *o
	}
	out.Lease = cmp.Or(out.Lease, 10*time.Second)
	out.Beat = cmp.Or(out.Beat, out.Lease/10)
	out.HandOver = cmp.Or(out.HandOver, 30*time.Second)
	out.Logger = cmp.Or(out.Logger, slog.Default())
	var errs []error
	if out.Lease < 0 || out.HandOver < 0 {
		errs = append(errs, fmt.Errorf("Lease %s and HandOver %s must be positive", out.Lease, out.HandOver))
	}
	if out.Beat <= 0 || out.Beat > out.Lease/3 {
		errs = append(errs, fmt.Errorf("Beat %s must be positive and at most a third of Lease %s", out.Beat, out.Lease))
	}
	return out, errors.Join(errs...)
}
