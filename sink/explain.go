package sink

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/onceflow/onceflow/internal/eventclock"
	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink/internal/clock"
	"github.com/onceflow/onceflow/sink/internal/hours"
	"github.com/onceflow/onceflow/sink/internal/journal"
	"github.com/onceflow/onceflow/sink/internal/upkeep"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// LostFileError means that files of a committed entry can never be published, since they are neither staged nor in place.
// It matches driver.ErrStagingLost and ends a job at once, since no job can bring them back.
type LostFileError = upkeep.LostFileError

// EmptyHoursError says that no further hour closes, though all data is in, because too many in a row would be empty. It is
// in stream.Status.Unclosed.
type EmptyHoursError = hours.EmptyHoursError

// HourBlocker is one reason why an hour is not sealed yet.
type HourBlocker struct {
	Kind BlockerKind

	// Partition and the fields below describe a partition that has not passed the hour, or is not known.
	Partition    record.Partition
	Lane         string
	Watermark    time.Time
	MaxEventTime time.Time
	Jump         driver.Jump
	Pending      int
	PendingTime  time.Time

	// Entry is the one whose files are not published. Lost is how many of them can never be, since they are neither staged
	// nor in place, and LostRows is their number of rows. Both are 0 where the store does not list what is staged.
	Entry    uint64
	Lost     int
	LostRows int64

	// Until is the time that the store's clock must reach. Doubt says why that clock is not believed; nil if it is. One
	// reading shows whether it differs much from the caller's clock or is behind what the job has read before. It does not
	// show whether the clock has stepped.
	Until time.Time
	Doubt *ClockError

	text string // of other kinds
}

// BlockerKind says what kind of thing an hour waits for.
type BlockerKind string

const (
	BlockedByPartition = BlockerKind(ledger.BlockedByPartition) // it has not passed the hour
	BlockedByUnknown   = BlockerKind(ledger.BlockedByUnknown)   // the source has a partition that nobody has committed anything of
	BlockedByEntry     = BlockerKind(ledger.BlockedByEntry)     // its files are not known to be published
	BlockedByClock     = BlockerKind(ledger.BlockedByClock)
	BlockedByGap       = BlockerKind(ledger.BlockedByGap)     // too many hours in a row would be empty
	BlockedByMerge     = BlockerKind("merge")                 // it is closed, and its packs are being merged
	BlockedByNothing   = BlockerKind(ledger.BlockedByNothing) // all partitions have ended, and no hour from this one on has files
)

// ExplainOptions are the optional settings of Explain; nil means all defaults.
type ExplainOptions struct {
	// Prefix is that of the job: Options.Prefix.
	Prefix string

	// Seal are the options of the job. Only Lateness and EmptyHours matter.
	Seal *SealOptions

	// Partitions are those that the source has now, if the caller knows: a partition that the ledger does not know keeps an
	// hour open, too.
	Partitions []record.Partition
}

// Explain says what the hour that begins at hour waits for. It returns nothing for an hour that the next round of Maintain
// will close or seal. It writes nothing. Package seal has it, too.
func Explain(ctx context.Context, store Store, job string, hour time.Time, opts *ExplainOptions) ([]HourBlocker, error) {
	var o ExplainOptions
	if opts != nil {
		o = *opts
	}
	if o.Seal == nil {
		o.Seal = &SealOptions{}
	}
	j, err := openJournal(ctx, store, job, &ReadOptions{Prefix: o.Prefix})
	if err != nil {
		return nil, err
	}
	end := j.Genesis().HourOf(hour).Add(j.Genesis().Hour)
	if !end.After(j.View().Closed) {
		return merging(ctx, j, end.Add(-j.Genesis().Hour))
	}
	at := clock.New(j.Objects.Store, j.Objects.Env)
	now, err := at.Now(ctx, j.Log, j.View().At)
	if err != nil {
		return nil, err
	}
	var found []ledger.Blocker
	j.Look(func(s *ledger.State) {
		found = s.Blockers(end, now, o.Seal.lateness(), cmp.Or(o.Seal.EmptyHours, DefaultEmptyHours), o.Partitions)
	})
	var out []HourBlocker
	for i := range found {
		b := blocker(&found[i])
		if b.Kind == BlockedByClock {
			b.Doubt, _ = errors.AsType[*ClockError](at.Doubt())
		}
		if b.Kind == BlockedByEntry {
			// Marked in the ledger or not: a closer finds that out, too.
			if done, err := j.Objects.Published(ctx, b.Entry); err != nil || done {
				if err != nil {
					return nil, err
				}
				continue
			}
			lost, err := upkeep.Lost(ctx, j.Objects, b.Entry)
			if err != nil {
				return nil, err
			}
			b.Lost = len(lost)
			for i := range lost {
				b.LostRows += lost[i].Rows
			}
		}
		out = append(out, b)
	}
	return out, nil
}

// Explain says what an hour waits for, from memory: it makes no request and waits for nothing. It knows what State knows,
// and nothing of lost files, nor of partitions of the source that nobody has committed anything of. known is false while
// this process reads the ledger or appends to it, before Attach, and if hours are not closed. It may be called at any time.
func (s *Sink[T]) Explain(hour time.Time) (list []HourBlocker, known bool) {
	r := s.seen.rooms.Load()
	if r == nil || s.seal == nil {
		return nil, false
	}
	now, empty := s.place.Clock.Latest(), cmp.Or(s.seal.EmptyHours, DefaultEmptyHours)
	known = r.journal.TryLook(func(state *ledger.State, _ map[string]string) {
		end := state.Genesis.HourOf(hour).Add(state.Genesis.Hour)
		if !end.After(state.Hours.Closed) {
			if end.After(state.Hours.Sealed) {
				list = append(list, HourBlocker{Kind: BlockedByMerge, text: "the hour is closed, and its files and seals are being made"})
			}
			return
		}
		waits := r.publisher.Unpublished(state.Unpublished)
		found := state.Blockers(end, now, s.seal.lateness(), empty, nil)
		for i := range found {
			b := blocker(&found[i])
			if _, unpublished := waits[b.Entry]; b.Kind == BlockedByEntry && !unpublished {
				continue
			}
			if b.Kind == BlockedByClock {
				b.Doubt, _ = errors.AsType[*ClockError](s.place.Clock.Doubt())
			}
			list = append(list, b)
		}
	})
	return list, known
}

// merging says which merges an hour waits for that is closed.
func merging(ctx context.Context, j *journal.Journal, hour time.Time) (out []HourBlocker, err error) {
	all, err := hours.Merges(ctx, j, hour)
	for _, m := range all {
		text := fmt.Sprintf("the hour is closed, and of flow %q %d of %d units of %d packs with %d bytes are merged", m.Flow, m.Done, m.Units, m.Packs, m.Bytes)
		out = append(out, HourBlocker{Kind: BlockedByMerge, text: text})
	}
	return out, err
}

func blocker(b *ledger.Blocker) HourBlocker {
	out := HourBlocker{
		Kind: BlockerKind(b.Kind), Partition: b.Partition, Lane: b.Lane, Watermark: b.Watermark, MaxEventTime: b.MaxEventTime, Jump: b.Jump, Pending: b.Pending, PendingTime: b.PendingTime,
		Entry: b.Entry, Until: b.Until,
	}
	if out.Kind == BlockedByGap {
		out.text = b.Gap.String()
	}
	return out
}

// String is a sentence for people.
func (b HourBlocker) String() string {
	switch b.Kind {
	case BlockedByPartition:
		return b.partition()
	case BlockedByUnknown:
		return fmt.Sprintf("partition %s exists, and nobody has committed anything of it", b.Partition)
	case BlockedByEntry:
		s := fmt.Sprintf("the files of entry %d are not published", b.Entry)
		if b.Lost > 0 {
			s += fmt.Sprintf(", and %d of them, with %d rows, never can be: they are neither staged nor in place", b.Lost, b.LostRows)
		}
		return s
	case BlockedByClock:
		s := "the store's clock must reach " + timeOrNothing(b.Until)
		if b.Doubt != nil {
			s += ", and is in doubt: " + b.Doubt.Error()
		}
		return s
	case BlockedByGap, BlockedByMerge:
		return b.text
	case BlockedByNothing:
		return "all partitions have ended, and nothing from this hour on was written"
	}
	return string(b.Kind)
}

func (b HourBlocker) partition() string {
	s := fmt.Sprintf("partition %s is complete up to %s", b.Partition, timeOrNothing(b.Watermark))
	if b.Pending > 0 {
		s += fmt.Sprintf(", with %d records pending since %s", b.Pending, timeOrNothing(b.PendingTime))
	}
	switch j := b.Jump; {
	case j.Records > 0 && b.MaxEventTime.IsZero():
		return s + fmt.Sprintf(", and its first event times, %s to %s, wait to be confirmed by further records (%d of %d) or the end of the log",
			timeOrNothing(j.To), timeOrNothing(j.Newest), j.Records, eventclock.Default.Records)
	case j.Records > 0:
		return s + fmt.Sprintf(", having seen events up to %s; an event at %s is %s ahead of them and waits to be confirmed by further records (%d of %d) or the end of the log",
			timeOrNothing(b.MaxEventTime), timeOrNothing(j.Newest), j.Newest.Sub(b.MaxEventTime).Round(time.Second), j.Records, eventclock.Default.Records)
	case b.MaxEventTime.IsZero():
		return s + ", and has not given an event time yet"
	}
	return s + ", having seen events up to " + timeOrNothing(b.MaxEventTime)
}

func timeOrNothing(t time.Time) string {
	if t.IsZero() {
		return "nothing"
	}
	return t.UTC().Format(time.RFC3339)
}
