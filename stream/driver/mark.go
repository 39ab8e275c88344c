package driver

import (
	"github.com/onceflow/onceflow/stream/record"
)

// MaxMark is the most bytes of Mark.Text.
const MaxMark = 64

// Mark is what a source says of a partition's records up to a position, to know them again: positions alone do not tell
// one log from another that took its place. It is for the source alone, which gets the last one back as Progress.Mark.
type Mark struct {
	Partition record.Partition

	// At is the position from which on Text is what is to be known, until the next mark: that of a record or of a Passed.
	At record.Position

	// Text has at most MaxMark bytes of printable ASCII.
	Text string
}
