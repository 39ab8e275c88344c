package stage

import (
	"cmp"
	"fmt"

	"github.com/onceflow/onceflow/stream/record"
)

// Error says which stage of which lane stopped the job.
type Error struct {
	Stage string
	Lane  string

	// Partition and First name the batch that was being processed, by its first record. Partition is nil if the stage was
	// called for another reason, such as event time.
	Partition *record.Partition
	First     record.Position

	At string // First, as the source's own tools print it

	Err error
}

func (e *Error) Error() string {
	at := ""
	if e.Partition != nil {
		at = fmt.Sprintf(" in the batch from %s of %v", cmp.Or(e.At, e.First.String()), *e.Partition)
	}
	return fmt.Sprintf("stream: stage %q of lane %s%s: %v", e.Stage, e.Lane, at, e.Err)
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }
