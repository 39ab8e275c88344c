package seal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/onceflow/onceflow/internal/eventclock"
	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/stream/record"
)

// ExplainOptions are the optional settings of Explain; nil means all defaults.
type ExplainOptions struct {
	// Prefix is that of the job: sink.Options.Prefix.
	Prefix string

	// Lateness is that of the job: Options.Lateness.
	//
	// Defaults to 15 minutes. -1 is none.
	Lateness time.Duration

	// EmptyHours is that of the job: Options.EmptyHours.
	//
	// Defaults to 4000. -1 is any number.
	EmptyHours int64

	// Partitions are those that the source has now, if the caller knows: one that the ledger does not know keeps an hour
	// open, too.
	Partitions []record.Partition
}

// Blocker is one reason why an hour is not sealed yet.
type Blocker struct {
	ledger.Blocker

	// Lost is how many files of Entry can never be published, since they are neither staged nor in place, and LostRows
	// how many rows they have. 0 where the store does not tell what is staged.
	Lost     int
	LostRows int64

	// Doubt is, if the hour waits for the store's clock, why that is not believed; nil if it is. One reading tells whether it
	// differs much from the clock of who asks or is behind what the job has read from it before, but not whether it has stepped.
	Doubt *sink.ClockError
}

// Explain says what the hour that begins at hour waits for: the first question of whoever is on call. Nothing is the
// answer for an hour that is closed, or will be with the next round of Maintain. It writes nothing.
func Explain(ctx context.Context, store sink.Store, job string, hour time.Time, opts *ExplainOptions) ([]Blocker, error) {
	var o ExplainOptions
	if opts != nil {
		o = *opts
	}
	o.EmptyHours = cmp.Or(o.EmptyHours, sink.DefaultEmptyHours)
	o.Lateness = max(cmp.Or(o.Lateness, 15*time.Minute), 0)
	s, err := sink.Inspect(ctx, store, job, &ReadOptions{Prefix: o.Prefix})
	if err != nil {
		return nil, err
	}
	end := s.Genesis.HourOf(hour).Add(s.Genesis.Hour)
	if !end.After(s.Closed) {
		return nil, nil
	}
	newest := s.Genesis.Created
	if s.ClosedAt.After(newest) {
		newest = s.ClosedAt
	}
	now, doubt, err := sink.ReadClock(ctx, store, newest)
	if err != nil {
		return nil, err
	}
	var out []Blocker
	for _, b := range s.Blockers(end, now, o.Lateness, o.EmptyHours, o.Partitions) {
		blocker := Blocker{Blocker: b}
		if b.Kind == ledger.BlockedByClock {
			blocker.Doubt = doubt
		}
		if b.Kind == ledger.BlockedByEntry {
			done, err := published(ctx, store, &s.Genesis, o.Prefix, b.Entry)
			if err != nil {
				return nil, err
			}
			if done {
				continue
			}
			lost, err := sink.Lost(ctx, store, &s.Genesis, b.Entry, &ReadOptions{Prefix: o.Prefix})
			if err != nil {
				return nil, err
			}
			blocker.Lost = len(lost)
			for i := range lost {
				blocker.LostRows += lost[i].Rows
			}
		}
		out = append(out, blocker)
	}
	return out, nil
}

// published reports whether the files of an entry are in place, marked in the ledger or not: a closer finds that out, too.
func published(ctx context.Context, store sink.Store, g *ledger.Genesis, prefix string, entry uint64) (bool, error) {
	r, err := store.Open(ctx, ledger.Root(prefix, g.Job, g.Epoch)+ledger.ManifestName(entry))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("seal: look for the manifest of entry %d: %w", entry, err)
	}
	return true, r.Close()
}

// String is a sentence for people.
func (b Blocker) String() string {
	switch b.Kind {
	case ledger.BlockedByPartition:
		s := fmt.Sprintf("partition %s is complete up to %s", b.Partition, clock(b.Low))
		if b.Held > 0 {
			s += fmt.Sprintf(", with %d records held since %s", b.Held, clock(b.HeldTime))
		}
		switch j := b.Jump; {
		case j.Records > 0 && b.Seen.IsZero():
			return s + fmt.Sprintf(", and its first event times, %s to %s, wait to be confirmed by further records (%d of %d) or the end of the log",
				clock(j.To), clock(j.Newest), j.Records, eventclock.Default.Records)
		case j.Records > 0:
			return s + fmt.Sprintf(", having seen events up to %s; an event at %s is %s ahead of them and waits to be confirmed by further records (%d of %d) or the end of the log",
				clock(b.Seen), clock(j.Newest), j.Newest.Sub(b.Seen).Round(time.Second), j.Records, eventclock.Default.Records)
		case b.Seen.IsZero():
			return s + ", and has not given an event time yet"
		}
		return s + ", having seen events up to " + clock(b.Seen)
	case ledger.BlockedByUnknown:
		return fmt.Sprintf("partition %s exists, and nobody has committed anything of it", b.Partition)
	case ledger.BlockedByEntry:
		s := fmt.Sprintf("the files of entry %d are not published", b.Entry)
		if b.Lost > 0 {
			s += fmt.Sprintf(", and %d of them, with %d rows, never can be: they are neither staged nor in place", b.Lost, b.LostRows)
		}
		return s
	case ledger.BlockedByClock:
		s := "the store's clock must reach " + clock(b.Until)
		if b.Doubt != nil {
			s += ", and is in doubt: " + b.Doubt.Error()
		}
		return s
	case ledger.BlockedByGap:
		return b.Gap.String()
	case ledger.BlockedByNothing:
		return "all partitions have ended, and nothing from this hour on was written"
	}
	return string(b.Kind)
}

func clock(t time.Time) string {
	if t.IsZero() {
		return "nothing"
	}
	return t.UTC().Format(time.RFC3339)
}
