package stream

import (
	"errors"

	"github.com/onceflow/onceflow/stream/driver"
	core "github.com/onceflow/onceflow/stream/internal/lane"
)

// stops reports whether err ends the job at once.
func stops(err error) bool { return errors.Is(err, driver.ErrStop) || errors.Is(err, driver.ErrLost) }

// passes reports whether err spoils the open transaction and nothing else.
func passes(err error) bool {
	var out *core.OutputError
	return errors.As(err, &out) && !stops(err)
}
