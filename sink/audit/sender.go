package audit

import (
	"context"
	"time"
)

// Event is what a producer accepts.
type Event struct {
	Key, Value []byte
	Time       time.Time // event time; zero if the producer does not know it
}

// Line is an event of a batch.
type Line struct {
	Mark  Mark
	Event Event
}

// Sender sends lines to the source of a job. It is safe for concurrent use.
//
// It sends the Mark with each line: as the header Header, made by Mark.Append, or in front of the value, made by
// Mark.AppendPrefix. If it gives records a time, that is the event's, unless that is zero. Lines of one key go where all of
// that key go, also when they are sent again, or stages that see one lane do not know them again. Packages kafka and kinesis
// have one.
type Sender interface {
	// Send returns once the source has all lines. It tries again what may pass until ctx ends. After an error the source may have
	// any of the lines, also later. It must not change lines, which stay as they are for as long as it keeps them.
	Send(ctx context.Context, lines []Line) error
}

// SenderFunc is a function that is a Sender.
type SenderFunc func(ctx context.Context, lines []Line) error

// Send calls f.
func (f SenderFunc) Send(ctx context.Context, lines []Line) error { return f(ctx, lines) }
