package stream

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/onceflow/onceflow/internal/when"
	"github.com/onceflow/onceflow/stream/driver"
	core "github.com/onceflow/onceflow/stream/internal/lane"
	"github.com/onceflow/onceflow/stream/record"
)

// lane is a lane that this process has.
type lane[T any] struct {
	assignment driver.Assignment
	core       *core.Lane
	w          *worker[T]

	gone    bool // of a former assignment; used by the worker
	charged int64
	odd     int64 // Status.OddTimes, as it was last counted

	queued atomic.Int64 // bytes of batches that wait
	paused atomic.Bool
	full   atomic.Bool // a stage wants no more for now
	asked  atomic.Bool // to be resumed
	woken  atomic.Bool

	// For the status.
	live  atomic.Int64
	read  atomic.Int64
	ready atomic.Bool

	jumpMu   sync.Mutex
	jump     waits
	jumpTold waits // as it was logged; used by who observes

	committed record.Clock  // used by the conductor
	over      bool          // by what is committed; used by the conductor
	told      record.Clocks // what the stages know of the committed clocks
}

// publish makes what the status shows visible to other goroutines.
func (l *lane[T]) publish() {
	s := l.core.Status()
	l.live.Store(s.Unfinished)
	l.ready.Store(s.Ready)
	if n := s.Read - l.read.Swap(s.Read); n > 0 {
		l.w.e.status.read.Add(n)
		if l.w.e.status.backlog.reads(n) {
			l.w.e.signals.ask("replay")
		}
	}
	if n := s.OddTimes - l.odd; n > 0 {
		l.odd = s.OddTimes
		if l.w.e.status.oddTimes.Add(n) == n {
			l.w.e.opts.Logger.Warn("a record's own time is none that a ledger can hold, and is taken for none; event times are not concerned",
				"lane", l.assignment.Lane, "first", "0001-01-02", "last", "9999-12-29")
		}
	}
	l.publishJumps(s.Jumps)
}

// size estimates how much memory a batch occupies.
func size(b *driver.Batch) int64 { return max(b.Bytes, int64(len(b.Records))*core.RecordOverhead) }

// clockOf returns the committed clock of a lane.
func clockOf(at map[record.Partition]driver.Progress) record.Clock {
	c, first := record.Clock{}, true
	for _, p := range at {
		if p.Pending.Len() > 0 {
			c.Pending = when.First(c.Pending, p.PendingTime)
		}
		if p.Ended && !slices.ContainsFunc(p.Children, func(c record.Partition) bool { _, ok := at[c]; return !ok }) {
			continue
		}
		if first || p.MaxEventTime.Before(c.MaxEventTime) {
			c.MaxEventTime, first = p.MaxEventTime, false
		}
	}
	return c
}
