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
// read on there: it replaces what it has of Hour, and of each later hour that is sealed, by what Reader.Hours yields from Hour
// on, and then goes on from the same position with Options.From behind the last of them.
type GoneError struct {
	Entry  uint64 // whose rows are missing
	Hour   time.Time
	Key    string // of the pack
	Sealed bool
}

func (e *GoneError) Error() string {
	hour := e.Hour.UTC().Format("2006-01-02T15:04Z")
	if !e.Sealed {
		return fmt.Sprintf("bykey: the pack %s with rows of entry %d is gone, and its hour, %s, is not sealed: the object was lost. Put it back, "+
			"if there is a copy, such as an older version; without it the hour is never sealed", e.Key, e.Entry, hour)
	}
	return fmt.Sprintf("bykey: the pack %s with rows of entry %d is gone: packs are deleted some time after their hour was sealed (sink.Options.Keep), and "+
		"this reader is behind by more. The rows are in the files of the hour %s, with those of earlier entries: replace what you have of that hour, "+
		"and of later ones that are sealed, by what Reader.Hours yields from there on, and go on from the same position with Options.From behind them",
		e.Key, e.Entry, hour)
}

// Is reports whether target is stream.ErrStop.
func (e *GoneError) Is(target error) bool { return target == driver.ErrStop }

// gone says of an error about a missing pack what to do.
func (u *Unit) gone(ctx context.Context, err error) error {
	e, ok := errors.AsType[*content.GoneError](err)
	if !ok {
		return err
	}
	r := u.reader
	_, sealed := sink.Sealed(ctx, r.store, r.job, e.Pack.Hour, r.read())
	if sealed != nil && !errors.Is(sealed, fs.ErrNotExist) {
		return errors.Join(err, sealed)
	}
	return &GoneError{Entry: u.Entry, Hour: e.Pack.Hour, Key: e.Pack.Key, Sealed: sealed == nil}
}
