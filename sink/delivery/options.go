package delivery

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/format"
)

// Options are the optional settings of a Delivery; nil means all defaults.
type Options struct {
	// Prefix is that of the job: sink.Options.Prefix.
	Prefix string

	// Flows are the flows whose files are delivered.
	//
	// Defaults to all.
	Flows []string

	// Hourly delivers the sealed hours of the job, each as one unit, instead of its transactions. Then a row comes when its hour
	// is sealed, units are large, and late rows are left out.
	Hourly bool

	// Decoded says that the target takes its rows from Rows or Unpack, as that of package postgres does, so that a unit may have rows in
	// packs. Transactions of merged flows (sink.Flow.Merge) are delivered only then. It does nothing by the hour.
	//
	// Defaults to false: such a transaction ends the delivery, since a target that loads files would lose its rows.
	Decoded bool

	// Joins are the formats of merged flows that make their own files, such as Avro: Unpack makes a file of a pack's rows with them.
	//
	// Defaults to none: a pack of such a flow ends the delivery.
	Joins []format.Joiner

	// From is where a delivery by the hour begins that has no cursor yet: hours that begin before are left out.
	//
	// Defaults to the first sealed hour.
	From time.Time

	// After is where a delivery of transactions begins that has no cursor yet: those up to this entry are left out.
	//
	// Defaults to 0: it begins with the first transaction.
	After uint64

	// Ordered says that units must be loaded in their order. Then a unit that the target refuses holds up those behind it, until
	// a person has changed something; it is tried again every minute. Otherwise it is parked, and the delivery goes on.
	Ordered bool

	// Parallel is how many units are loaded at once. It is 1 where order matters, and where the target keeps the cursor.
	//
	// Defaults to 4.
	Parallel int

	// Poll is how long the delivery waits before it looks again for what is not there yet.
	//
	// Defaults to 2 seconds. -1 ends Run once all is delivered that is there.
	Poll time.Duration

	// Logger gets a line for each change of the delivery's condition, and for each unit that is parked.
	//
	// Defaults to slog.Default.
	Logger *slog.Logger

	// Progress gets a line that is replaced every second, if it is a terminal.
	//
	// Defaults to none.
	Progress io.Writer

	// Observe is called every second, and at the end of Run. It must not call Run.
	//
	// Defaults to none.
	Observe func(Status)
}

func (o *Options) filled(keeper bool) Options {
	var f Options
	if o != nil {
		f = *o
	}
	f.Parallel = cmp.Or(f.Parallel, 4)
	if f.Ordered || keeper {
		f.Parallel = 1
	}
	f.Poll = cmp.Or(f.Poll, 2*time.Second)
	if f.Logger == nil {
		f.Logger = slog.Default()
	}
	return f
}

func (o *Options) validate(name string) error {
	errs := []error{checkName(name)}
	if o.Parallel < 0 {
		errs = append(errs, fmt.Errorf("Parallel %d is negative", o.Parallel))
	}
	if o.Hourly && o.After > 0 {
		errs = append(errs, errors.New("After is for transactions; hours begin at From"))
	}
	if !o.Hourly && !o.From.IsZero() {
		errs = append(errs, errors.New("From is for hours; transactions begin behind After"))
	}
	return errors.Join(errs...)
}

// checkName refuses names that cannot be a folder, or a part of a name in a target.
func checkName(s string) error {
	if s == "" || len(s) > 64 {
		return fmt.Errorf("the name %.80q of the delivery has %d bytes, not 1 to 64", s, len(s))
	}
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
		if !letter && (i == 0 || c != '-' && c != '_' && c != '.') {
			return fmt.Errorf("the name %q of the delivery has the character %q: lower-case letters, digits and, behind the first, '-', '_' and '.' are allowed", s, c)
		}
	}
	return nil
}

func (o *Options) read(poll time.Duration, seen func(uint64)) *sink.ReadOptions {
	return &sink.ReadOptions{Prefix: o.Prefix, Poll: poll, Seen: seen}
}
