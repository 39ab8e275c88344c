package driver

import (
	"github.com/onceflow/onceflow/stream/record"
)

// MaxMark is the most bytes of Mark.Text.
const MaxMark = 64

// Mark is a source's fingerprint of a partition's records up to a position. With it the source notices another log that
// took the place of the one it read, which positions alone do not show. Only the source uses it; it gets the last one back
// as Progress.Mark.
type Mark struct {
	Partition record.Partition

	// At is the position of a record or of a Passed. From there on, until the next mark, Text is the fingerprint.
	At record.Position

	// Text has at most MaxMark bytes of printable ASCII.
	Text string
}
