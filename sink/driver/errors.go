package driver

import (
	"errors"

	"github.com/onceflow/onceflow/stream/driver"
)

// ErrPermanent matches errors that a retry does not cure, such as a bucket that does not exist, or credentials that are
// refused. A Store wraps it where it knows. It need not for errors that match fs.ErrPermission or, of a full disk,
// syscall.ENOSPC. The sink retries everything else for a while, and goes on: so what may pass must not match it.
var ErrPermanent = errors.New("sink: the store refuses")

// ErrStagingLost means that a committed file is neither in staging nor in place. A person or a lifecycle rule may have
// deleted it, or the store may have lost it. It matches driver.ErrStop, since only a person can have the rows made again,
// from the source.
var ErrStagingLost error = stagingLost{}

type stagingLost struct{}

func (stagingLost) Error() string        { return "sink: staged file lost" }
func (stagingLost) Is(target error) bool { return target == driver.ErrStop }
