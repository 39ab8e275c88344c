// Package fault has the errors that end a source, or that it reports, with their facts.
package fault

import (
	"errors"
	"fmt"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// Lost says which offsets are gone. It matches driver.ErrLost. Nothing was skipped: a person decides what to do.
type Lost struct {
	Partition record.Partition
	From, To  int64  // offsets, To exclusive; -1 if there may be more
	Why       string // what took them
}

// Error names partition and range.
func (e *Lost) Error() string {
	if e.To < 0 {
		return fmt.Sprintf("kafka: %v: offsets from %d on are gone: %s", e.Partition, e.From, e.Why)
	}
	return fmt.Sprintf("kafka: %v: offsets %d to %d are gone: %s", e.Partition, e.From, e.To-1, e.Why)
}

// Is makes the error match driver.ErrLost.
func (e *Lost) Is(target error) bool { return target == driver.ErrLost }

// Corrupt says which batch of records cannot be decoded, and why.
type Corrupt struct {
	Partition   record.Partition
	First, Last int64 // offsets of the batch; Last is -1 if it cannot be told
	Err         error
}

// Error names partition and offsets.
func (e *Corrupt) Error() string {
	return fmt.Sprintf("kafka: %v: the batch of offsets %d to %d cannot be read: %v", e.Partition, e.First, e.Last, e.Err)
}

// Unwrap returns the reason.
func (e *Corrupt) Unwrap() error { return e.Err }

// ErrClosed is the error of calls in progress when the source is closed.
var ErrClosed = errors.New("kafka: the source is closed")
