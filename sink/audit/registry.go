package audit

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"iter"
	"time"
)

// Registration says that a batch exists.
type Registration struct {
	ID    ID
	Lines int   // 1 to MaxLines
	Bytes int64 // of all keys and values

	// Oldest is the oldest event time of its lines, to the millisecond: the hour of that event is the first to close.
	// It is the time of the ID if the producer knows no event times.
	Oldest time.Time
}

// Compare orders registrations by ID, then by their numbers.
func (r *Registration) Compare(o *Registration) int {
	return cmp.Or(r.ID.Compare(o.ID), cmp.Compare(r.Lines, o.Lines), cmp.Compare(r.Bytes, o.Bytes), r.Oldest.Compare(o.Oldest))
}

// Check says what is wrong with a registration that no batch can have. The error matches fs.ErrInvalid.
func (r *Registration) Check() error {
	if r.Lines < 1 || r.Lines > MaxLines || r.Bytes < 0 || !r.ID.valid() {
		return fmt.Errorf("audit: a batch %s of %d lines and %d bytes cannot be registered: %w", r.ID, r.Lines, r.Bytes, fs.ErrInvalid)
	}
	return nil
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
