package bykey

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/internal/content"
	"github.com/onceflow/onceflow/stream/driver"
)

// GoneError says that rows behind a reader's position were in a pack that is not there any more. It matches stream.ErrStop.
//
// If Sealed is set the rows are in the files of the hour. Since these have its rows of earlier entries, too, the reader cannot just
// read on there. It replaces the on-time rows that it has of the hour From, and of each later one that is sealed, by what
// Reader.Hours yields from there on. Then it goes on from the same position with Options.From behind the last of these hours.
//
// With Options.Late it keeps the late rows (Part.Kind) that it has of these hours: no hour has them, and Transactions yields none
// of those up to the position again. Late rows behind the position come as before, whatever Options.From is.
type GoneError struct {
	Entry  uint64 // whose rows are missing
	Hour   time.Time
	Key    string // of the pack
	Sealed bool

	// From is the first hour that may have rows behind the position that Transactions was called with: the first that was closed
	// behind it. It is Hour or before that, since the hours of transactions are in no order.
	From time.Time
}

func (e *GoneError) Error() string {
	if !e.Sealed {
		return fmt.Sprintf("bykey: the pack %s with rows of entry %d is gone, and its hour, %s, is not sealed: the object was lost. Put it back, "+
			"if there is a copy, such as an older version; without it the hour is never sealed", e.Key, e.Entry, minute(e.Hour))
	}
	return fmt.Sprintf("bykey: the pack %s with rows of entry %d is gone: packs are deleted some time after their hour was sealed (sink.Options.Keep), and "+
		"this reader is behind by more. The rows are in the files of the hour %s, with those of earlier entries: replace the on-time rows that you have of the hour "+
		"%s and of all later ones that are sealed by what Reader.Hours yields from there on, keep the late rows, which no hour has, and go on from the same "+
		"position with Options.From behind these hours",
		e.Key, e.Entry, minute(e.Hour), minute(e.From))
}

func minute(t time.Time) string { return t.UTC().Format("2006-01-02T15:04Z") }

// Is reports whether target is stream.ErrStop.
func (e *GoneError) Is(target error) bool { return target == driver.ErrStop }

// gone says of an error about a missing pack what to do.
func (u *Unit) gone(ctx context.Context, err error) error {
	e, ok := errors.AsType[*content.GoneError](err)
	if !ok {
		return err
	}
	gone := &GoneError{Entry: u.Entry, Hour: e.Pack.Hour, Key: e.Pack.Key}
	open, failed := u.open(ctx, gone.Hour)
	if failed != nil {
		return errors.Join(err, failed)
	}
	if !open {
		return gone
	}
	gone.Sealed = true
	if gone.From, failed = u.from(ctx, gone.Hour); failed != nil {
		return errors.Join(err, failed)
	}
	return gone
}

// open reports whether an hour was open at the position that Transactions was called with, and is sealed now.
func (u *Unit) open(ctx context.Context, hour time.Time) (bool, error) {
	r := u.reader
	m, err := sink.Sealed(ctx, r.store, r.job, hour, r.read())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && m.Entry > u.after, err
}

// from returns the first hour that was open at the position. hour was; hours close in their order, without a gap.
func (u *Unit) from(ctx context.Context, hour time.Time) (time.Time, error) {
	length := u.reader.layout.Hour
	back := func(n int) time.Time { return hour.Add(-time.Duration(n) * length) }
	last, n := 0, 1 // back(last) was open
	for {
		open, err := u.open(ctx, back(n))
		if err != nil {
			return hour, err
		}
		if !open {
			break
		}
		last, n = n, 2*n
	}
	for n-last > 1 {
		middle := last + (n-last)/2
		open, err := u.open(ctx, back(middle))
		if err != nil {
			return hour, err
		}
		if open {
			last = middle
		} else {
			n = middle
		}
	}
	return back(last), nil
}
