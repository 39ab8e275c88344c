package kinesis

import (
	"errors"

	"github.com/onceflow/onceflow/internal/limits"
	"github.com/onceflow/onceflow/stream/kinesis/internal/service"
)

type (
	// LostError says what a shard has lost. It matches stream.ErrLost. Nothing was skipped: a person decides what to do.
	LostError = service.Lost

	// StallError says that a shard, or the list of shards, could not be read for long.
	StallError = limits.Stall
)

// errClosed is the error of calls in progress when the source is closed.
var errClosed = errors.New("kinesis: the source is closed")
