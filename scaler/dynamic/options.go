package dynamic

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"time"
)

// Options are the optional settings of New; nil means all defaults.
type Options struct {
	// Utilization is the share of its true rate that a copy is meant to work at. The rest is for noise, for growth until
	// the next step and for catching up.
	//
	// Defaults to what Goal leaves room for: 1 - 15s/Goal, at least 0.7 and at most 0.95, which is 0.75 for a minute, 0.9 for
	// two and a half, 0.95 for five and more. What chance lets wait is proportional to 1/(1-u) at a utilization u (Kingman,
	// The single server queue in heavy traffic, 1961), so half the goal needs twice the room.
	Utilization float64

	// High is the utilization that calls for a step up once it lasts for Stable, even if nothing waits.
	//
	// Defaults to 1.2 times Utilization, at most 1.
	High float64

	// Goal is the greatest delay that is all right. A step up is due as soon as the delay is predicted to pass half of it
	// before a later step could help.
	//
	// Defaults to 5 minutes.
	Goal time.Duration

	// Normal is the delay of a healthy job: it is no backlog. It should be above the time between two commits if lag is
	// measured by committed offsets.
	//
	// Defaults to a quarter of Goal.
	Normal time.Duration

	// CatchUp is the time in which a backlog is to be worked off.
	//
	// Defaults to 15 minutes.
	CatchUp time.Duration

	// Window is the time over which rates are averaged. It must hold several readings; with a cron job every 5 minutes 15
	// is right.
	//
	// Defaults to 5 minutes.
	Window time.Duration

	// Stable is how long less must have been enough before copies are taken away, and the least time from any change to a
	// step down.
	// It is never below five times the measured pause, so that a step is never dearer than what it can save.
	//
	// Defaults to 10 minutes.
	Stable time.Duration

	// MinDown is the least share of the copies that a step down must save; a smaller saving is not worth a pause.
	//
	// Defaults to 0.1.
	MinDown float64

	// MaxUp and MaxDown bound a step, in copies.
	//
	// Default to no bound.
	MaxUp, MaxDown int

	// Pause is how long a change of size is taken to disturb the job, starting copies included, until it has been measured.
	//
	// Defaults to 1 minute.
	Pause time.Duration

	// Backoff is how long no step up is made after one that did not help; it doubles each time, up to 16-fold.
	//
	// Defaults to 10 minutes.
	Backoff time.Duration

	// Rate is the true rate of one core (of one copy, where cores are not known), in records a second, until it has been
	// measured. Without it nothing is decided until then.
	Rate float64

	// Even takes only numbers of copies that divide the partitions, so that each has the same share.
	Even bool

	// HourBorders makes steps that are not urgent within the first ten minutes of an hour only, so that the rest of the
	// hour is written without a rebalance.
	HourBorders bool
}

func (o *Options) fill() (Options, error) {
	var f Options
	if o != nil {
		f = *o
	}
	f.Goal = cmp.Or(f.Goal, 5*time.Minute)
	f.Utilization = cmp.Or(f.Utilization, roomFor(f.Goal))
	f.High = cmp.Or(f.High, min(1, 1.2*f.Utilization))
	f.Normal = cmp.Or(f.Normal, f.Goal/4)
	f.CatchUp = cmp.Or(f.CatchUp, 15*time.Minute)
	f.Window = cmp.Or(f.Window, 5*time.Minute)
	f.Stable = cmp.Or(f.Stable, 10*time.Minute)
	f.MinDown = cmp.Or(f.MinDown, 0.1)
	f.Pause = cmp.Or(f.Pause, time.Minute)
	f.Backoff = cmp.Or(f.Backoff, 10*time.Minute)
	return f, f.check()
}

// roomFor is the default utilization for a goal.
func roomFor(goal time.Duration) float64 {
	const wait, least, most = 15 * time.Second, 0.7, 0.95
	if goal <= 0 { // which is a fault of its own
		return least
	}
	return min(max(1-wait.Seconds()/goal.Seconds(), least), most)
}

func (o *Options) check() error {
	var errs []error
	say := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf("scaler: dynamic: "+format, args...))
		}
	}
	// The conditions are written so that NaN is bad too.
	say(!(o.Utilization > 0 && o.Utilization <= 1), "Utilization %g is not above 0 and at most 1", o.Utilization)
	say(!(o.High >= o.Utilization && o.High <= 1), "High %g is not from Utilization %g to 1", o.High, o.Utilization)
	say(!(o.MinDown >= 0 && o.MinDown < 1), "MinDown %g is not from 0 to below 1", o.MinDown)
	say(!(o.Rate >= 0 && o.Rate <= math.MaxFloat64), "Rate %g is not a number of records a second", o.Rate)
	say(o.MaxUp < 0, "MaxUp %d is negative", o.MaxUp)
	say(o.MaxDown < 0, "MaxDown %d is negative", o.MaxDown)
	for _, d := range []struct {
		name string
		is   time.Duration
	}{
		{"Goal", o.Goal}, {"Normal", o.Normal}, {"CatchUp", o.CatchUp}, {"Window", o.Window},
		{"Stable", o.Stable}, {"Pause", o.Pause}, {"Backoff", o.Backoff},
	} {
		say(d.is < 0, "%s %s is negative", d.name, d.is)
	}
	say(o.Normal >= o.Goal, "Normal %s is not below Goal %s", o.Normal, o.Goal)
	say(o.Stable < o.Window, "Stable %s is below Window %s", o.Stable, o.Window)
	return errors.Join(errs...)
}
