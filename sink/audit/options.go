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

	// Keep is how long batches are kept. Run looks at that much, and has until then to send a batch again.
	//
	// Defaults to 7 days.
	Keep time.Duration

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

	// Logger gets why a batch could not be sent again.
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
	f.Most, f.Repairs = cmp.Or(f.Most, 10_000), cmp.Or(f.Repairs, 4)
	if f.Logger == nil {
		f.Logger = slog.New(slog.DiscardHandler)
	}
	if f.Deadline < 0 || f.Keep < 0 || f.Every < 0 || f.Most < 0 || f.Repairs < 0 {
		return f, fmt.Errorf("audit: deadline %s, keep %s, every %s, most %d or repairs %d is negative", f.Deadline, f.Keep, f.Every, f.Most, f.Repairs)
	}
	return f, nil
}

// readers is how many files of notes are read at once.
const readers = 16
