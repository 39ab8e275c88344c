package audit

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
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
	// Send returns once the source has all lines. It tries again what may pass until ctx ends. It returns a RefusedError, joined with
	// others or alone, for lines that the source will never take, and sends the others all the same. After an error the source may
	// have any of the lines, also later. It must not change lines, which stay as they are for as long as it keeps them.
	Send(ctx context.Context, lines []Line) error
}

// SenderFunc is a function that is a Sender.
type SenderFunc func(ctx context.Context, lines []Line) error

// Send calls f.
func (f SenderFunc) Send(ctx context.Context, lines []Line) error { return f(ctx, lines) }

// Refusal is a line that a source will never take, and why.
type Refusal struct {
	Mark Mark
	Err  error
}

// RefusedError names the lines of one Send that the source will never take, such as those that are too large or whose times it does
// not accept. They cost no other line. It matches fs.ErrInvalid, and what the errors of the lines match.
type RefusedError struct{ Lines []Refusal }

// Error names a few of the lines.
func (e *RefusedError) Error() string {
	const named = 5
	var b strings.Builder
	fmt.Fprintf(&b, "the source refuses %d lines for good: ", len(e.Lines))
	for i, l := range e.Lines[:min(named, len(e.Lines))] {
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "line %d of batch %s: %v", l.Mark.Line, l.Mark.ID, l.Err)
	}
	if n := len(e.Lines) - named; n > 0 {
		fmt.Fprintf(&b, "; and %d more", n)
	}
	return b.String()
}

// Unwrap returns fs.ErrInvalid and the errors of the lines.
func (e *RefusedError) Unwrap() []error {
	all := []error{fs.ErrInvalid}
	for _, l := range e.Lines {
		all = append(all, l.Err)
	}
	return all
}
