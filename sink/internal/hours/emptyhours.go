package hours

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
)

// EmptyHoursError says that no further hour closes, though all data is in, because too many in a row would be empty. The
// job goes on committing, and the hours before them close. It is in stream.Status.Unclosed.
type EmptyHoursError struct {
	From, Through time.Time // of the empty hours
	Hours         int64
	Allowed       int64 // as many may close in a row at that time

	// Entry is the first entry with files of the hour before, or, if AtClose is set, the Close that closed that hour. It is
	// 0 if there is no hour before.
	Entry   uint64
	AtClose bool

	// Origin describes the entry that the gap begins with: the partitions that it read, and one of its files.
	Origin string
}

func (e *EmptyHoursError) Error() string {
	gap := ledger.Gap{From: e.From, Through: e.Through, Hours: e.Hours, Allowed: e.Allowed, Entry: e.Entry, AtClose: e.AtClose}
	return fmt.Sprintf("sink: no further hour closes: %s%s. If one odd record made them, that is what to look at; to have a seal for each of "+
		"these hours, set seal.Options.EmptyHours to at least %d, or to -1, and restart", gap.String(), e.Origin, e.Hours)
}

// beforeGap returns up to when the hours from from up to through may close: to the first run of too many empty ones. It
// reports the run in the status, and returns errNotYet if no hour is before it.
func (c *Closer) beforeGap(ctx context.Context, from, through, at time.Time) (time.Time, error) {
	var g ledger.Gap
	var found bool
	c.journal.Look(func(s *ledger.State) { g, found = s.Gap(from, through, at, c.opts.EmptyHours) })
	if !found {
		c.unclosed = nil
		return through, nil
	}
	if err := c.tellGap(ctx, g); err != nil {
		return from, err
	}
	if !g.From.After(from) {
		return from, errNotYet
	}
	return g.From, nil
}

// tellGap keeps g for the status and logs it once.
func (c *Closer) tellGap(ctx context.Context, g ledger.Gap) error {
	old, _ := errors.AsType[*EmptyHoursError](c.unclosed)
	e := &EmptyHoursError{From: g.From, Through: g.Through, Hours: g.Hours, Allowed: g.Allowed, Entry: g.Entry, AtClose: g.AtClose}
	if old != nil && old.From.Equal(g.From) {
		e.Origin = old.Origin
		if g.AtClose { // what the gap begins with was closed meanwhile
			e.Entry, e.AtClose = old.Entry, old.AtClose
		}
		c.unclosed = e
		return nil
	}
	if g.Entry != 0 && !g.AtClose {
		origin, err := c.originOf(ctx, g.Entry, g.From.Add(-c.journal.Genesis().Hour))
		if err != nil {
			return err
		}
		e.Origin = origin
	}
	c.unclosed = e
	c.journal.Log.Warn("too many hours in a row would be empty; no later hour is closed, commits go on", "error", e)
	return nil
}

// originOf describes an entry so that a person can find the record that began an hour: the partitions that it read, up to
// which positions, and its first file of that hour.
func (c *Closer) originOf(ctx context.Context, entry uint64, hour time.Time) (string, error) {
	e, _, err := c.journal.Objects.Entry(ctx, entry)
	if err != nil || e.Commit == nil {
		return "", err
	}
	files, err := c.journal.Objects.Files(ctx, e.Commit)
	if err != nil {
		return "", err
	}
	const most = 3
	var parts []string
	n := 0
	for i := range e.Commit.Lanes {
		for k := range e.Commit.Lanes[i].Partitions {
			p := &e.Commit.Lanes[i].Partitions[k]
			if p.Counts.Sum() == 0 {
				continue
			}
			if n++; n <= most {
				parts = append(parts, fmt.Sprintf("partition %s up to %s", p.Partition, p.Progress.UpTo))
			}
		}
	}
	if n > most {
		parts = append(parts, fmt.Sprintf("%d more", n-most))
	}
	s := ", with records of " + strings.Join(parts, ", ")
	for i := range files {
		if f := &files[i]; f.Kind == ledger.DataFile && f.Hour.Equal(hour) {
			return s + ", in the file " + f.Key, nil
		}
	}
	return s, nil
}
