package scaler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Options are the optional settings of New; nil means all defaults.
type Options struct {
	// Signals measure the job. Where two know the same value, the first wins. Package calendar needs none.
	Signals []Signal

	// Min and Max bound the copies, whatever a policy wants.
	//
	// Default to 1 and 100.
	Min, Max int

	// Every is the time between two steps of Run.
	//
	// Defaults to 30 seconds.
	Every time.Duration

	// Stale is the age at which a value is too old to be used.
	//
	// Defaults to three times Every.
	Stale time.Duration

	// Respect is how long a change by somebody else is left alone, in either direction. A person who changes the size has a
	// reason that no signal shows.
	//
	// Defaults to 10 minutes. -1 is not at all.
	Respect time.Duration

	// DryRun decides and records, and changes nothing. Begin with it. It does not ask the Leader, so that it may run beside
	// scalers that act; its Memory must be another than theirs.
	DryRun bool

	// Leader lets one of several scalers act; the others watch, so that they know the job when their turn comes. It may be
	// lost at any moment: a step then ends with its time.
	//
	// Defaults to acting always.
	Leader Leader

	// Memory keeps what the policy has learned over a restart, a change of leader, and from one Once to the next. Without it
	// a policy starts anew, which is safe: it takes no copies away before it has watched for long enough.
	//
	// Defaults to none.
	Memory Memory

	// Retries is how often a target that refuses a change is asked again within a step, after 1, 2, 4... seconds with
	// jitter.
	//
	// Defaults to 3. -1 is never.
	Retries int

	// Timeout bounds each call of a signal, a target, a leader and a memory.
	//
	// Defaults to 10 seconds.
	Timeout time.Duration

	// OnDecision is called with each decision, from the goroutine of the step.
	OnDecision func(Decision)

	// Keep is how many decisions Decisions returns.
	//
	// Defaults to 1,000.
	Keep int

	// Logger gets each decision: changes at Info, errors at Warn, steps without a change at Debug.
	//
	// Defaults to slog.Default.
	Logger *slog.Logger

	// Now is the clock, for simulations. Run still waits in real time.
	//
	// Defaults to time.Now.
	Now func() time.Time
}

// Leader lets one of several processes act.
type Leader interface {
	// Lead takes or keeps the lead, if it can, and returns until when this process may act; a time that has passed means
	// that another leads. An error is taken as not leading.
	Lead(ctx context.Context) (until time.Time, err error)
}

func (o *Options) fill() (Options, error) {
	var f Options
	if o != nil {
		f = *o
	}
	f.Min = cmp.Or(f.Min, 1)
	f.Max = cmp.Or(f.Max, 100)
	f.Every = cmp.Or(f.Every, 30*time.Second)
	f.Stale = cmp.Or(f.Stale, 3*f.Every)
	f.Respect = cmp.Or(f.Respect, 10*time.Minute)
	f.Retries = cmp.Or(f.Retries, 3)
	f.Timeout = cmp.Or(f.Timeout, 10*time.Second)
	f.Keep = cmp.Or(f.Keep, 1000)
	if f.Logger == nil {
		f.Logger = slog.Default()
	}
	if f.Now == nil {
		f.Now = time.Now
	}
	return f, f.check()
}

func (o *Options) check() error {
	var errs []error
	say := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf("scaler: "+format, args...))
		}
	}
	say(o.Min < 1, "Min %d copies have no capacity", o.Min)
	say(o.Max < 1, "Max %d copies have no capacity", o.Max)
	say(o.Min > o.Max, "Min %d is above Max %d", o.Min, o.Max)
	say(o.Every < 0, "Every %s is negative", o.Every)
	say(o.Stale < 0, "Stale %s is negative", o.Stale)
	say(o.Timeout < 0, "Timeout %s is negative", o.Timeout)
	say(o.Keep < 0, "Keep %d is negative", o.Keep)
	for i, s := range o.Signals {
		say(s == nil, "signal %d is nil", i+1)
	}
	return errors.Join(errs...)
}
