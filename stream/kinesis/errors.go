package kinesis

import (
	"errors"

	"github.com/onceflow/onceflow/internal/limits"
	"github.com/onceflow/onceflow/stream/kinesis/internal/service"
)

type (
	// LostError says what is gone of a shard. It matches stream.ErrLost. Nothing was skipped: a person decides what to do.
	LostError = service.Lost

	// StallError says that a shard, or the list of shards, could not be read for long.
	StallError = limits.Stall
)

// errClosed is what calls get that are under way when the source is closed.
var errClosed = errors.New("kinesis: the source is closed")
