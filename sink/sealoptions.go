package sink

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	storage "github.com/onceflow/onceflow/sink/driver"
)

// SealOptions say how hours are closed and sealed. Package seal documents them.
type SealOptions struct {
	// Name is that of the seal object in the hour's folder of each flow.
	//
	// Defaults to "_SEALED", or "_SEALED.<job>" if Options.Shared is set.
	Name string

	// JSON lists files and counts in the seal object instead of leaving it empty.
	JSON bool

	// Lateness is how far behind the newest event of its partition an event may be. It is used as it is: 0 is none.
	Lateness time.Duration

	// EmptyHours is how many hours without on-time files may be closed in a row, beside as many as have passed since the
	// job began.
	//
	// Defaults to 4000. -1 is any number.
	EmptyHours int64

	// Verify lists the folders of an hour before it closes, and does not close it if a file of it is gone or has another
	// length.
	Verify bool
}

// DefaultEmptyHours is the default of SealOptions.EmptyHours: five and a half months of hours of 60 minutes. No live job has
// a gap like that, and making the seals of so many hours takes minutes.
const DefaultEmptyHours = 4000

// Seal makes the sink close and seal hours. It is called before Attach, by seal.Hourly, which is the way to use it.
// Without it all hours stay open: nothing is late, and there are no seals.
func (s *Sink[T]) Seal(o SealOptions) {
	name := "_SEALED"
	if s.keep.opts.Shared {
		name += "." + s.keep.job
	}
	o.Name = cmp.Or(o.Name, name)
	o.EmptyHours = cmp.Or(o.EmptyHours, DefaultEmptyHours)
	s.keep.seal = &o
}

func (o *SealOptions) validate(k *keeper) error {
	if o == nil {
		return nil
	}
	var errs []error
	if err := storage.CheckKey(o.Name); err != nil || strings.Contains(o.Name, "/") || len(o.Name) > 2*maxName {
		errs = append(errs, fmt.Errorf("seal name %q is not a plain file name", o.Name))
	}
	if k.opts.Shared && !strings.Contains(o.Name, k.job) {
		errs = append(errs, fmt.Errorf("seal name %q does not contain the job's name, and Options.Shared is set", o.Name))
	}
	if o.Lateness < 0 {
		errs = append(errs, fmt.Errorf("seal lateness %s is negative", o.Lateness))
	}
	if o.EmptyHours < -1 {
		errs = append(errs, fmt.Errorf("seal empty hours %d, want at least -1", o.EmptyHours))
	}
	return errors.Join(errs...)
}
