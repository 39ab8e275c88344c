package stream

import (
	"errors"

	"github.com/onceflow/onceflow/stream/driver"
)

// stops reports whether err ends the job at once.
func stops(err error) bool { return errors.Is(err, driver.ErrStop) || errors.Is(err, driver.ErrLost) }

// outputError is an error of writing to the open transaction. That transaction is spoilt, and all that stages and lanes
// did since its beginning with it, but nothing else is.
type outputError struct{ err error }

func (e *outputError) Error() string { return e.err.Error() }
func (e *outputError) Unwrap() error { return e.err }

// passes reports whether err spoils the open transaction, and no more than that.
func passes(err error) bool {
	var out *outputError
	return errors.As(err, &out) && !stops(err)
}
