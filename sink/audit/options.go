package audit

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/onceflow/onceflow/sink"
)

// Config says what is audited. All but Prefix is required.
type Config struct {
	Output sink.Store // of the job
	Job    string     // its name
	Prefix string     // its sink.Options.Prefix

	Batches  *Folder
	Registry Registry
}

func (c *Config) check() error {
	if c.Output == nil || c.Job == "" || c.Batches == nil || c.Registry == nil {
		return errors.New("audit: an audit needs the output and name of a job, batches and a registry")
	}
	return nil
}

// Options are the optional settings of Check and Run; nil means all defaults.
type Options struct {
	// Deadline is how long after its beginning a batch may be missing. It must have passed by the clock of the batches'
	// store, and the job must have read what came into its source until then: a job that stands still makes nothing
	// incomplete. It must be longer than BatcherOptions.Age and Patience together, and than producers' clocks are wrong.
	//
	// Defaults to 10 minutes.
	Deadline time.Duration

	// Keep is how long batches are kept. Run looks at that much, and sends a batch again until then. Batches and their
	// registrations must be there for an hour longer at least.
	//
	// Defaults to 7 days.
	Keep time.Duration

	// Window is the dedup.Options.Window of the job. A line may be sent again until Keep has passed, and is dropped as a copy
	// only if it is known for that long: so Window must be Keep and Deadline together at least, and more if batches get events
	// that are old already. -1 says that the job does not need to know copies again.
	//
	// Defaults to a Window that nobody checks; Run says so to the Logger.
	Window time.Duration

	// Patience is how long the registry, a store and the output of the job may take for an answer, or for the next piece of
	// one. What takes longer is away.
	//
	// Defaults to 1 minute.
	Patience time.Duration

	// Most bounds Report.Batches; what is beyond is in the sums alone.
	//
	// Defaults to 10,000.
	Most int

	// Every is how often Run looks, and Repairs how many batches it sends at a time. Observe gets each report.
	//
	// Default to 1 minute, 4, and nobody.
	Every   time.Duration
	Repairs int
	Observe func(*Report)

	// Logger gets what begins to be wrong or becomes more, and why a batch could not be sent again.
	//
	// Defaults to none.
	Logger *slog.Logger
}

func (o *Options) filled() (Options, error) {
	var f Options
	if o != nil {
		f = *o
	}
	f.Deadline, f.Keep, f.Every = cmp.Or(f.Deadline, 10*time.Minute), cmp.Or(f.Keep, 7*24*time.Hour), cmp.Or(f.Every, time.Minute)
	f.Most, f.Repairs, f.Patience = cmp.Or(f.Most, 10_000), cmp.Or(f.Repairs, 4), cmp.Or(f.Patience, time.Minute)
	if f.Logger == nil {
		f.Logger = slog.New(slog.DiscardHandler)
	}
	var errs []error
	if f.Deadline < 0 || f.Keep < 0 || f.Every < 0 || f.Most < 0 || f.Repairs < 0 || f.Patience < 0 || f.Window < -1 {
		errs = append(errs, fmt.Errorf("audit: deadline %s, keep %s, window %s, patience %s, every %s, most %d or repairs %d is negative",
			f.Deadline, f.Keep, f.Window, f.Patience, f.Every, f.Most, f.Repairs))
	}
	if f.Deadline >= f.Keep {
		errs = append(errs, fmt.Errorf("audit: batches are kept for %s, and nothing is sent again before the deadline of %s has passed", f.Keep, f.Deadline))
	}
	if f.Window > 0 && f.Window-f.Deadline < f.Keep {
		errs = append(errs, fmt.Errorf("audit: the job knows lines again for %s, and they may be sent again for %s and arrive a deadline of %s later: copies would come through", f.Window, f.Keep, f.Deadline))
	}
	return f, errors.Join(errs...)
}

// readers is how many files of notes are read at once.
const readers = 16
