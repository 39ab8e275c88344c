package kafka

import (
	"github.com/onceflow/onceflow/internal/limits"
	"github.com/onceflow/onceflow/stream/kafka/internal/fault"
)

type (
	// LostError says which offsets are gone. It matches driver.ErrLost. Nothing was skipped: a person decides what to do.
	LostError = fault.Lost

	// CorruptError says which batch of records cannot be decoded, and why.
	CorruptError = fault.Corrupt

	// StallError says that something made no progress though it should.
	StallError = limits.Stall
)
