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

// passes reports whether err spoils the open transaction and nothing else.
func passes(err error) bool {
	var out *core.OutputError
	return errors.As(err, &out) && !stops(err)
}
