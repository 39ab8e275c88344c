package upkeep

import (
	"context"
	"fmt"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/internal/journal"
)

// LostFileError means that files of a committed entry can never be published, since they are neither staged nor in place.
// It matches driver.ErrStagingLost and ends a job at once, since no job can bring them back.
type LostFileError struct {
	Entry uint64
	Files []ledger.File // those that are lost
	Of    int           // files of the entry
	Err   error         // what the store said of the first
}

func (e *LostFileError) Error() string {
	return fmt.Sprintf("sink: %d of %d files of entry %d, which is committed, can never be published: %d rows, the first file is %s: %v. "+
		"No hour of theirs will close. If there is a copy of the file, such as an older version of the object, put it back under its "+
		"key, as it was; else only the source has the rows: let a new job with another Prefix read it again", len(e.Files), e.Of, e.Entry, e.Rows(), e.Files[0].Key, e.Err)
}

// Rows is how many rows the lost files have.
func (e *LostFileError) Rows() (n int64) {
	for i := range e.Files {
		n += e.Files[i].Rows
	}
	return n
}

// Unwrap returns what the store said, and driver.ErrStagingLost.
func (e *LostFileError) Unwrap() []error { return []error{e.Err, driver.ErrStagingLost} }

// Lost returns the files of a commit that can never be published, to explain what an hour waits for. It lists all that is
// staged, and writes nothing. On a store that does not list what is staged it returns none.
func Lost(ctx context.Context, o *journal.Objects, entry uint64) (lost []ledger.File, err error) {
	if o.Store.Traits().HidesAll {
		return nil, nil
	}
	e, _, err := o.Entry(ctx, entry)
	if err != nil || e.Commit == nil {
		return nil, err
	}
	files, err := o.Files(ctx, e.Commit)
	if err != nil {
		return nil, err
	}
	staged := map[string]bool{} // first: what is published meanwhile is in place then
	for s, err := range o.Store.Staged(ctx) {
		if err != nil {
			return nil, fmt.Errorf("sink: list staged files: %w", err)
		}
		staged[s.Key] = true
	}
	gone := make([]bool, len(files))
	err = o.Env.Each(ctx, len(files), func(ctx context.Context, i int) error {
		if staged[files[i].Key] {
			return nil
		}
		there, err := o.Exists(ctx, files[i].Key)
		if err != nil {
			return fmt.Errorf("sink: look for %s: %w", files[i].Key, err)
		}
		gone[i] = !there
		return nil
	})
	for i, f := range files {
		if gone[i] {
			lost = append(lost, f)
		}
	}
	return lost, err
}
