package driver

import (
	"errors"

	"github.com/onceflow/onceflow/stream/driver"
)

// ErrPermanent matches errors that trying again does not cure, such as a bucket that does not exist. A Store wraps it
// where it knows; errors that match fs.ErrPermission or a full disk need not. Everything else is tried again for a while.
var ErrPermanent = errors.New("sink: the store refuses")

// ErrStagingLost means that a committed file is neither in staging nor in place. A person or the store's lifecycle rules may
// have deleted it, or the store may have lost it. It matches driver.ErrStop: the rows can be made again only from the source,
// by a person.
var ErrStagingLost error = stagingLost{}

type stagingLost struct{}

func (stagingLost) Error() string        { return "sink: staged file lost" }
func (stagingLost) Is(target error) bool { return target == driver.ErrStop }
