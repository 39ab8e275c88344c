package audit

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"iter"
	"time"

	"github.com/onceflow/onceflow/internal/when"
)

// Registration says that a batch exists.
type Registration struct {
	ID    ID
	Lines int   // 1 to MaxLines
	Bytes int64 // of all keys and values: 0 to MaxBytes

	// Oldest is the oldest event time of its lines, to the millisecond: the hour of that event is the first to close.
	// It is the time of the ID if the producer knows no event times. It lies in the years from 1970 to 9999: a Batcher takes the
	// nearest time in these for an event of another one.
	Oldest time.Time
}

// MaxBytes bounds the keys and values of a batch.
const MaxBytes = maxBatchObject

// earliest is the first Oldest that can be registered.
var earliest = time.UnixMilli(0).UTC()

// Compare orders registrations by ID, then by their numbers.
func (r *Registration) Compare(o *Registration) int {
	return cmp.Or(r.ID.Compare(o.ID), cmp.Compare(r.Lines, o.Lines), cmp.Compare(r.Bytes, o.Bytes), r.Oldest.Compare(o.Oldest))
}

// Check says what is wrong with a registration that no batch can have. The error matches fs.ErrInvalid.
func (r *Registration) Check() error {
	var why string
	switch {
	case !r.ID.valid():
		why = fmt.Sprintf("its ID is of the year %d", r.ID.Time().Year())
	case r.Lines < 1 || r.Lines > MaxLines:
		why = fmt.Sprintf("it has %d lines, not 1 to %d", r.Lines, MaxLines)
	case r.Bytes < 0 || r.Bytes > MaxBytes:
		why = fmt.Sprintf("it has %d bytes, not 0 to %d", r.Bytes, MaxBytes)
	case r.Oldest.Before(earliest) || !when.Fits(r.Oldest):
		why = "its oldest event is not of the years from 1970 to 9999"
	default:
		return nil
	}
	return fmt.Errorf("audit: batch %s cannot be registered: %s: %w", r.ID, why, fs.ErrInvalid)
}

// Registry knows all batches. It is safe for concurrent use, and by several processes on several machines: what one of them
// has registered all of them list at once. audittest.Run checks one.
type Registry interface {
	// Register makes r durable. It refuses what Registration.Check finds wrong. To register the same again is no error and
	// changes nothing. It never replaces: if the ID is registered with other numbers, both registrations are kept and listed,
	// so that an auditor sees the mistake. After an error r may be registered or not, or come to be later; calling Register
	// again settles it.
	Register(ctx context.Context, r Registration) error

	// List yields the registrations whose ID is of a time from from on and before to, ordered by ID. It sees all that
	// Register has returned for before List was called. An error ends it.
	List(ctx context.Context, from, to time.Time) iter.Seq2[Registration, error]

	// Expire deletes the registrations whose ID is of a time before before, or lets them be deleted later. No other one may
	// go. The error matches errors.ErrUnsupported if the registry cannot delete.
	Expire(ctx context.Context, before time.Time) error
}
