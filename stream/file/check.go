package file

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

var _ driver.Follower = (*Source)(nil)

// mostTold is how many missing files an error names.
const mostTold = 5

// Begin returns an error if a file that the job has begun to read is missing, or was replaced by another one: see
// driver.Follower. A file that was read to its end may go.
func (s *Source) Begin(_ context.Context, l driver.Ledger) error {
	if l.Unfinished == nil {
		return nil
	}
	unfinished := l.Unfinished()
	missing := s.missing(unfinished)
	if len(missing) == 0 {
		return nil
	}
	found, err := s.files.look() // another process may have begun one that came since Open has looked
	if err == nil {
		s.first = found
		if missing = s.missing(unfinished); len(missing) == 0 {
			return nil
		}
	}
	if more := len(missing) - mostTold; more > 0 {
		missing = append(missing[:mostTold], fmt.Errorf("file: and %d more", more))
	}
	missing = append(missing, fmt.Errorf("file: put back what the last run has begun, or give it up with sink.Retire: %w", driver.ErrLost))
	return errors.Join(append(missing, err)...)
}

// missing says of each file that was begun and is not among those that the first look has found what became of it.
func (s *Source) missing(unfinished map[record.Partition]driver.Progress) (missing []error) {
	known := make(map[record.Partition]bool, len(s.first))
	byID, byEpoch := map[string]*listed{}, map[string]*listed{}
	for i := range s.first {
		f := &s.first[i]
		known[f.part], byID[f.id], byEpoch[f.part.Epoch] = true, f, f
	}
	for _, p := range slices.SortedFunc(maps.Keys(unfinished), record.Partition.Compare) {
		if p.Source != s.opts.Name || known[p] {
			continue
		}
		what := "it is gone, or not among the files that are to be read"
		switch same, moved := byID[p.ID], byEpoch[p.Epoch]; {
		case moved != nil:
			what = "it is called " + moved.path + " now, which makes it another file"
		case same != nil:
			what = "another file took its place: its first line is a different one"
		}
		missing = append(missing, fmt.Errorf("file: %s was read up to line %d and not to its end, and %s", p.ID, unfinished[p].UpTo.Sub, what))
	}
	return missing
}

// Ack does nothing: the ledger alone knows what was read.
func (s *Source) Ack(context.Context, map[record.Partition]record.Position) error { return nil }

// Acked has nothing.
func (s *Source) Acked(context.Context, []record.Partition) (map[record.Partition]record.Position, error) {
	return nil, nil
}
