package hours

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/internal/when"
	"github.com/onceflow/onceflow/sink/internal/clock"
	"github.com/onceflow/onceflow/sink/internal/files"
	"github.com/onceflow/onceflow/sink/internal/journal"
	"github.com/onceflow/onceflow/sink/internal/merge"
	"github.com/onceflow/onceflow/sink/internal/upkeep"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// Options say how hours are closed and sealed. All of them are set.
type Options struct {
	Name       string // of seal objects
	Lateness   time.Duration
	EmptyHours int64 // -1 is any number
	Verify     bool  // compare the files of an hour with what was published before it closes

	Layout     files.Layout
	Flows      []string // sorted
	Generation uint64   // of the topics that we know
	FileBytes  int64    // of merged files
}

// unitBytes of packs are merged by one instance at a time. So many fit into a merge's part of a budget of 128 MiB, see merge.
const unitBytes = 32 << 20

// Closer closes the hours of a job.
type Closer struct {
	journal   *journal.Journal
	publisher *upkeep.Publisher
	leftovers *upkeep.Leftovers
	clock     *clock.Clock
	sealer    *Sealer
	opts      Options
	mayEnd    func() bool // driver.Job.MayEnd

	hours    int64 // that were closed so far
	unclosed error // why no hour closes until a person does something
}

// NewCloser returns a Closer that has closed nothing yet. mayEnd is driver.Job.MayEnd.
func NewCloser(
	j *journal.Journal, p *upkeep.Publisher, l *upkeep.Leftovers, c *clock.Clock, m *merge.Merger, o Options, mayEnd func() bool,
) *Closer {
	return &Closer{journal: j, publisher: p, leftovers: l, clock: c, sealer: &Sealer{journal: j, publisher: p, leftovers: l, clock: c, merger: m, opts: o}, opts: o, mayEnd: mayEnd}
}

// Hours returns how many hours were closed. unclosed, an *EmptyHoursError, says why no hour closes until a person does
// something.
func (c *Closer) Hours() (closed int64, unclosed error) {
	return c.hours, cmp.Or(c.unclosed, c.sealer.unmerged)
}

// Merging returns the units of hours that are closed and not known to be sealed, by the owner of what is staged for them.
func (c *Closer) Merging(ctx context.Context) (map[string]ledger.Unit, error) {
	return c.sealer.merging(ctx)
}

// Merge is how far the merge of the earliest hour is that is closed and not sealed; nil if there is none.
func (c *Closer) Merge() *driver.Merge { return c.sealer.progress() }

// Close closes and seals all hours that can close. It reports whether nothing is left to do until another transaction
// commits or the store's clock moves on. list asks the source for its partitions.
func (c *Closer) Close(ctx context.Context, now time.Time, list func(context.Context) ([]record.Partition, error)) (bool, error) {
	if sealed, err := c.sealer.seal(ctx, now); err != nil || !sealed {
		return false, err
	}
	for range 10 {
		due, waits := c.due()
		if !due {
			return true, nil
		}
		if len(waits) > 0 {
			if all, err := c.leftovers.Others(ctx, now, waits, upkeep.HourAfter); err != nil || !all {
				return false, err
			}
			continue
		}
		switch err := c.once(ctx, list); {
		case errors.Is(err, errNotYet):
			return true, nil
		case errors.Is(err, driver.ErrFenced):
			c.journal.Log.Debug("cannot close yet", "err", err)
			return true, nil
		case err != nil && !errors.Is(err, errAsk): // it may have been a Close, whose seals come first
			return false, err
		}
		if sealed, err := c.sealer.seal(ctx, now); err != nil || !sealed {
			return false, err
		}
	}
	return false, nil
}

// farFuture is after every clock, and far enough from the end of time.Time that subtracting from it is safe.
var farFuture = time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC)

// due reports whether the known partitions allow an hour to close, and which entries would have to be published first.
func (c *Closer) due() (due bool, waits []uint64) {
	c.journal.Look(func(s *ledger.State) {
		var from time.Time
		if from, _, due = s.CloseDue(c.asFar(s, farFuture), c.opts.Lateness, nil); !due {
			return
		}
		end := from.Add(s.Genesis.Hour)
		unpublished := c.publisher.Unpublished(s.Unpublished)
		maps.DeleteFunc(unpublished, func(_ uint64, p ledger.Unpublished) bool { return len(p.Hours) == 0 || !p.Hours[0].Before(end) })
		waits = slices.Sorted(maps.Keys(unpublished))
	})
	return due, waits
}

// asFar is now. If all partitions have ended but more may come, it is at most the newest event time, which bounded hours
// while that partition was being read.
func (c *Closer) asFar(s *ledger.State, now time.Time) time.Time {
	if c.mayEnd == nil || !s.Lanes.AllEnded() || c.mayEnd() {
		return now
	}
	if newest := s.Lanes.Newest(); newest.Before(now) {
		return newest
	}
	return now
}

var (
	errNotYet = errors.New("sink: it is too early to close")

	// errAsk means that a Close lost its slot, so the clock and the source must be asked again.
	errAsk = errors.New("sink: a close lost its slot")
)

// plan says how the hours up to through are merged; nil if none has a pack. It returns the last of them that one Close may
// include. Another pack may come before the Close is appended, which is then void, as is one with too many hours.
func (c *Closer) plan(from, through time.Time) (*ledger.Merge, time.Time) {
	var plan *ledger.Merge
	c.journal.Look(func(s *ledger.State) {
		if s.Hours.HasPacks(through) {
			e := c.journal.Objects.Env
			plan = &ledger.Merge{FileBytes: cmp.Or(e.MergeFile, c.opts.FileBytes), UnitBytes: cmp.Or(e.MergeUnit, unitBytes)}
			through = when.Earlier(through, s.Genesis.Border(from, ledger.MaxMergedHours))
		}
	})
	return plan, through
}

// once appends one Close, for all hours that can close now. The order of its questions matters: first the store's clock,
// then the source's partitions. So a partition that appears later can have no record of those hours.
func (c *Closer) once(ctx context.Context, list func(context.Context) ([]record.Partition, error)) error {
	at, err := c.clock.Now(ctx, c.journal.Log, c.journal.View().At)
	if err != nil {
		return err
	}
	var from, through time.Time
	var ok bool
	c.journal.Look(func(s *ledger.State) {
		from, through, ok = s.CloseDue(c.asFar(s, at), c.opts.Lateness, c.publisher.Unpublished(s.Unpublished))
	})
	if !ok {
		return errNotYet
	}
	plan, through := c.plan(from, through)
	if through, err = c.beforeGap(ctx, from, through, at); err != nil {
		return err
	}
	if c.opts.Verify {
		if err := c.verify(ctx, through); err != nil {
			return err
		}
	}
	parts, err := list(ctx)
	if err != nil {
		return fmt.Errorf("sink: list the source's partitions: %w", err)
	}
	e := c.publisher.Entry(ledger.KindClose)
	e.Close = &ledger.Close{
		From: from, Through: through, At: at, Lateness: c.opts.Lateness, EmptyHours: c.opts.EmptyHours, Listed: len(parts), ListedHash: ledger.HashPartitions(parts),
		Flows: c.opts.Flows, Merge: plan, Seal: c.opts.Name, Generation: c.opts.Generation,
	}
	asked := false
	id, err := c.journal.Append(ctx, e, func(s *ledger.State, e *ledger.Entry) error {
		if asked {
			return errAsk
		}
		asked = true
		return s.CheckClose(e, parts)
	})
	if err != nil {
		return err
	}
	c.journal.Closed(id, from)
	c.hours += c.journal.Genesis().Hours(from, through)
	c.journal.Log.Info("closed hours", "from", from, "through", through, "entry", id)
	c.journal.Snapshot(ctx, id)
	return nil
}
