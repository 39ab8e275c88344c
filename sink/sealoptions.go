package sink

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"
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

	// Verify lists the folders of an hour before it closes, and does not close it if a file of it is gone or has another
	// length.
	Verify bool
}

// Seal makes the sink close and seal hours. It is called before Attach, by seal.Hourly, which is the way to use it.
// Without it all hours stay open: nothing is late, and there are no seals.
func (s *Sink[T]) Seal(o SealOptions) {
	name := "_SEALED"
	if s.opts.Shared {
		name += "." + s.keep.job
	}
	o.Name = cmp.Or(o.Name, name)
	s.keep.seal = &o
}

func (o *SealOptions) validate(k *keeper) error {
	if o == nil {
		return nil
	}
	var errs []error
	if err := CheckKey(o.Name); err != nil || strings.Contains(o.Name, "/") || len(o.Name) > 2*maxName {
		errs = append(errs, fmt.Errorf("seal name %q is not a plain file name", o.Name))
	}
	if k.opts.Shared && !strings.Contains(o.Name, k.job) {
		errs = append(errs, fmt.Errorf("seal name %q does not contain the job's name, and Options.Shared is set", o.Name))
	}
	if o.Lateness < 0 {
		errs = append(errs, fmt.Errorf("seal lateness %s is negative", o.Lateness))
	}
	return errors.Join(errs...)
}
