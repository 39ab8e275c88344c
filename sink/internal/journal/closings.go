package journal

import (
	"context"
	"fmt"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
)

// Closing is a Close and the state right after it, from which the hours' manifests and seals are made. Only Ours and Sealed
// change, and only the goroutine of Maintain uses these.
type Closing struct {
	Entry  uint64
	Close  ledger.Close
	Hours  map[time.Time]ledger.Hour // those that had files
	Behind *ledger.State             // its Partitions and Counts
	Ours   bool                      // we appended it, or found it when we started
	Sealed time.Time                 // end of the hours whose seals are known to exist; zero: nothing is known
}

// closings are the Closes whose seals are not known to exist, ascending. The Journal's lock guards them.
type closings struct{ list []*Closing }

// before returns the closing that entry e makes; nil if e is no Close. s is the state before e.
func (c *closings) before(s *ledger.State, e *ledger.Entry) *Closing {
	if e.Kind != ledger.KindClose {
		return nil
	}
	return &Closing{Entry: e.ID, Close: *e.Close, Hours: Closes(s, e.Close.Through)}
}

// behind adds made, the closing that the last entry of s made, unless it is nil. It removes closings that are marked as
// sealed.
func (c *closings) behind(s *ledger.State, made *Closing) {
	if made != nil {
		made.Behind = s.Standing()
		c.list = append(c.list, made)
	}
	for len(c.list) > 0 && !c.list[0].Close.Through.After(s.Hours.Sealed) {
		c.list = c.list[1:]
	}
}

// last is the closing of the last Close of s; nil if it is not known.
func (c *closings) last(s *ledger.State) *Closing {
	if n := len(c.list); n > 0 && c.list[n-1].Entry == s.Hours.ClosedEntry {
		return c.list[n-1]
	}
	return nil
}

// Closes returns the hours with files that a Close through the end of an hour closes.
func Closes(s *ledger.State, through time.Time) map[time.Time]ledger.Hour {
	hours := map[time.Time]ledger.Hour{}
	for start, h := range s.Hours.Open {
		if start.Before(through) {
			hours[start] = *h
		}
	}
	return hours
}

// Unsealed returns the Close whose seals are not known to exist; nil if there is none. sealed is the end of the hours whose
// seals the caller knows.
func (j *Journal) Unsealed(ctx context.Context, sealed time.Time) (*Closing, error) {
	var entry uint64
	var c *Closing
	j.Look(func(s *ledger.State) {
		if s.Hours.ClosedEntry != 0 && s.Hours.Closed.After(sealed) && s.Hours.Closed.After(s.Hours.Sealed) {
			entry, c = s.Hours.ClosedEntry, j.closings.last(s)
		}
	})
	if entry == 0 || c != nil {
		return c, nil
	}
	c, err := j.replay(ctx, entry)
	if err != nil {
		return nil, err
	}
	c.Ours = true // its author has most likely died
	j.Look(func(s *ledger.State) {
		if s.Hours.ClosedEntry == entry {
			j.closings.list = append(j.closings.list, c)
		}
	})
	return c, nil
}

// Closed notes that we appended the last Close, whose first hour begins at from.
func (j *Journal) Closed(entry uint64, from time.Time) {
	j.Look(func(s *ledger.State) {
		if c := j.closings.last(s); c != nil && c.Entry == entry {
			c.Ours, c.Sealed = true, from
		}
	})
}

// replay returns the closing of entry id. It folds again from a snapshot before that entry. Only a process that finds
// unsealed hours of a dead process needs it.
func (j *Journal) replay(ctx context.Context, id uint64) (*Closing, error) {
	var g ledger.Genesis
	var hash ledger.Hash
	j.Look(func(s *ledger.State) { g, hash = s.Genesis, s.GenesisHash })
	state, err := j.Folder.snapshots(j.Log).latest(ctx, &g, hash, id-1)
	if err != nil {
		return nil, err
	}
	past := &Journal{Objects: j.Objects, Folder: j.Folder, Log: j.Log, state: state, authors: map[uint64][]string{}}
	past.publishView()
	for past.state.Last < id {
		e, hash, err := past.Folded(ctx, past.state.Last+1)
		if err != nil {
			return nil, err
		}
		if err := past.fold(e, hash); err != nil {
			return nil, err
		}
	}
	if c := past.closings.last(past.state); c != nil && c.Entry == id {
		return c, nil
	}
	return nil, &ledger.CorruptError{Object: fmt.Sprintf("entry %d", id), Reason: "it is not the Close that it should be"}
}
