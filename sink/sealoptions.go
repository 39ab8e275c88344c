package sink

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/internal/files"
	"github.com/onceflow/onceflow/sink/internal/hours"
)

// SealOptions are the optional settings for closing and sealing hours; nil means all defaults. Package seal has them as its
// Options. All instances of a job should have the same.
type SealOptions struct {
	// Name is the name of the seal object in the hour's folder of each flow. The object is empty, since some readers take
	// every file of a folder for data; the hour's manifest says what the hour has, see seal.Read. Readers such as Spark and Athena skip names
	// that begin with an underscore.
	//
	// Defaults to "_SEALED", or "_SEALED.<job>" if several jobs share the folder (Options.Shared).
	Name string

	// Lateness is how far an event may be behind the newest event of its partition and still be on time. It delays the seal
	// by as much.
	//
	// Defaults to 15 minutes. -1 is none: then a partition whose events are not in order has late ones.
	Lateness time.Duration

	// EmptyHours is how many hours without files may be sealed in a row, in addition to as many as have passed since the
	// job began. An odd record of long ago among a job's first ones, or a gap in old data, asks for more. Then the job goes
	// on committing and closes no hour after the gap. stream.Status.Unclosed, the log and seal.Explain say where the gap is
	// and what it begins with. A larger number lets these hours be sealed, one after the other. It counts hours of
	// Options.Hour.
	//
	// Defaults to 4000: five and a half months of hours of 60 minutes. No live job has such a gap, and making that many
	// seals takes minutes. -1 is any number.
	EmptyHours int64

	// Verify checks, before an hour closes, that all of its files are there with the length that was published, since a
	// person or a rule of the bucket may have deleted or replaced one. If not, the hour does not close, and the job stops
	// with an error that names the files. It goes on once they are restored, or if it runs without Verify and so accepts
	// the loss. The check costs a listing for each flow and hour, with 1000 files a request. examples/verify compares
	// contents, too.
	Verify bool
}

// DefaultEmptyHours is the default of SealOptions.EmptyHours.
const DefaultEmptyHours = 4000

// Seal makes the sink close and seal hours. seal.Hourly calls it, before Attach; use that. Without it all hours stay open:
// nothing is late, and there are no seals.
func (s *Sink[T]) Seal(opts *SealOptions) {
	o := SealOptions{}
	if opts != nil {
		o = *opts
	}
	name := "_SEALED"
	if s.opts.Shared {
		name += "." + s.place.Folder.Job
	}
	o.Name = cmp.Or(o.Name, name)
	s.seal = &o
}

func (o *SealOptions) validate(job string, of *Options) error {
	if o == nil {
		return nil
	}
	var errs []error
	if err := driver.CheckKey(o.Name); err != nil || strings.Contains(o.Name, "/") || len(o.Name) > 2*maxName {
		errs = append(errs, fmt.Errorf("seal name %q is not a plain file name", o.Name))
	}
	if of.Shared && !strings.Contains(o.Name, job) {
		errs = append(errs, fmt.Errorf("seal name %q does not contain the job's name, and Options.Shared is set", o.Name))
	}
	if o.Lateness < -1 {
		errs = append(errs, fmt.Errorf("seal lateness %s is negative", o.Lateness))
	}
	if o.EmptyHours < -1 {
		errs = append(errs, fmt.Errorf("seal empty hours %d, want at least -1", o.EmptyHours))
	}
	return errors.Join(errs...)
}

// lateness is subtracted from the newest event time. If it is negative, hours are not closed.
func (o *SealOptions) lateness() time.Duration {
	if o == nil {
		return -1
	}
	return max(cmp.Or(o.Lateness, 15*time.Minute), 0)
}

// filled are the options with their defaults.
func (o *SealOptions) filled(of *Options, layout files.Layout, flows []string) hours.Options {
	return hours.Options{
		Name: o.Name, Lateness: o.lateness(), EmptyHours: cmp.Or(o.EmptyHours, DefaultEmptyHours), Verify: o.Verify,
		Layout: layout, Flows: flows, Generation: of.Generation, FileBytes: of.FileBytes,
	}
}
