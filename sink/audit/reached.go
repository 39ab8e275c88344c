package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/onceflow/onceflow/sink"
)

// progress is how far a job has got, read before its notes.
type progress struct {
	reached time.Time // all that came into the source before was read, and its notes are visible; zero: see why
	why     string
	closed  time.Time // hours of events before it are closed
	hour    time.Duration
}

// publishing is how long an audit waits for a transaction that is committed and whose files are not in place yet.
const publishing = 10 * time.Second

// progress reads how far the job has got.
func (c *Config) progress(ctx context.Context) (progress, error) {
	opts := &sink.ReadOptions{Prefix: c.Prefix}
	state, err := sink.Inspect(ctx, c.Output, c.Job, opts)
	if errors.Is(err, fs.ErrNotExist) {
		return progress{why: "the job has not begun", hour: time.Hour}, nil
	}
	if err != nil {
		return progress{}, fmt.Errorf("audit: %w", err)
	}
	p := progress{closed: state.Closed, hour: state.Hour}
	p.reached, p.why = reached(state)
	for _, id := range state.Unpublished {
		there, err := c.published(ctx, id)
		if err != nil {
			return progress{}, err
		}
		if !there {
			p.reached, p.why = time.Time{}, fmt.Sprintf("the files of entry %d of the ledger are not in place", id)
			break
		}
	}
	return p, nil
}

// published waits until all files of a committed entry are in place. It returns false if that takes long.
func (c *Config) published(ctx context.Context, id uint64) (bool, error) {
	waiting, cancel := context.WithTimeout(ctx, publishing)
	defer cancel()
	for m, err := range sink.Committed(waiting, c.Output, c.Job, id-1, &sink.ReadOptions{Prefix: c.Prefix, Poll: time.Second}) {
		if err != nil {
			return false, fmt.Errorf("audit: %w", err)
		}
		return m.Entry == id, nil
	}
	return false, ctx.Err()
}

// reached is up to which time all that came into all partitions was read. Event times do not tell it: one client whose clock
// is an hour ahead would claim an hour that nobody has read.
func reached(state *sink.JobState) (t time.Time, why string) {
	if len(state.Partitions) == 0 && state.Forgotten == 0 {
		return time.Time{}, "the job has read nothing"
	}
	for p, st := range state.Partitions {
		at := st.Progress.Arrived
		switch {
		case st.Progress.Ended || st.Retired:
		case at.IsZero():
			return time.Time{}, fmt.Sprintf("it is not known yet by when all that came into partition %s was read", p)
		case t.IsZero() || at.Before(t):
			t = at
		}
	}
	if t.IsZero() { // all have ended
		t = forever
	}
	return t, ""
}

// forever is after all batches.
var forever = time.Date(9999, 12, 29, 0, 0, 0, 0, time.UTC)
