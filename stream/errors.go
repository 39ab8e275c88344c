package stream

import (
	"errors"
	"fmt"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	core "github.com/onceflow/onceflow/stream/internal/lane"
)

// stops reports whether err ends the job at once.
func stops(err error) bool { return errors.Is(err, driver.ErrStop) || errors.Is(err, driver.ErrLost) }

// outOfPatience returns an error if the output has failed for longer than the user wants to wait.
func (o *Options) outOfPatience(since time.Duration, err error) error {
	if o.Patience == 0 || since <= o.Patience {
		return nil
	}
	return fmt.Errorf("stream: the output has failed for %v, and Options.Patience is %v: %w", since, o.Patience, err)
}

// advised adds to the error of a job that has ended what a person can do about it, where the source does not know that.
func advised(err error) error {
	if !errors.Is(err, driver.ErrLost) {
		return err
	}
	return fmt.Errorf("%w. Nothing was skipped, and a new start ends with the same error until a person decides: bring the records back; or take the "+
		"partition out of the job with sink.Retire, if it will not come back or its rest is read as another one; or begin a job of another name. "+
		"docs/operations.md has more under stream.ErrLost", err)
}

// passes reports whether err spoils the open transaction and nothing else.
func passes(err error) bool {
	var out *core.OutputError
	return errors.As(err, &out) && !stops(err)
}
