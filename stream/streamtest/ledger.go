package streamtest

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// Ledger is what an Output commits to, in memory. It outlives the Outputs that write it, as a store outlives its
// clients, and checks at each commit that nothing is lost or counted twice. It is safe for concurrent use.
type Ledger[T any] struct {
	// Hour is the length of an hour. An event is late if its hour ends at or before the lane's watermark.
	//
	// Defaults to 1 hour.
	Hour time.Duration

	// Lateness is how long hours wait for stragglers. Negative: watermarks stay zero and nothing is late.
	//
	// Defaults to none: an hour is over when each partition of the lane has seen a later event.
	Lateness time.Duration

	// Now is the ledger's clock.
	//
	// Defaults to time.Now.
	Now func() time.Time

	t       testing.TB
	mu      sync.Mutex
	lanes   map[string]*laneState
	rows    []Row[T]
	late    []Row[T]
	dead    []driver.DeadLetter
	counts  map[record.Partition]record.Counts
	read    map[record.Partition]int64
	reasons map[string]int64
	cuts    []driver.Cut
}

type laneState struct {
	version  int
	progress map[record.Partition]driver.Progress
}

// Row is a committed row.
type Row[T any] struct {
	Value T
	Time  time.Time
	Lane  string
}

// NewLedger makes an empty ledger. Rules that a commit breaks are errors of t.
func NewLedger[T any](t testing.TB) *Ledger[T] {
	return &Ledger[T]{
		Hour: time.Hour, Now: time.Now, t: t, lanes: map[string]*laneState{}, counts: map[record.Partition]record.Counts{},
		read: map[record.Partition]int64{}, reasons: map[string]int64{},
	}
}

// Rows are the committed rows of hours that were open, in the order of commits.
func (l *Ledger[T]) Rows() []Row[T] {
	return locked(l, func() []Row[T] { return slices.Clone(l.rows) })
}

// Values are the values of Rows.
func (l *Ledger[T]) Values() (vs []T) {
	for _, r := range l.Rows() {
		vs = append(vs, r.Value)
	}
	return vs
}

// Late are the committed rows of hours that were closed for their lane.
func (l *Ledger[T]) Late() []Row[T] {
	return locked(l, func() []Row[T] { return slices.Clone(l.late) })
}

// Dead are the committed dead letters.
func (l *Ledger[T]) Dead() []driver.DeadLetter {
	return locked(l, func() []driver.DeadLetter { return slices.Clone(l.dead) })
}

// Counts are the fates of all records so far, Reasons the drops by their labels.
func (l *Ledger[T]) Counts() record.Counts {
	return locked(l, func() (c record.Counts) {
		for _, n := range l.counts {
			c.Add(n)
		}
		return c
	})
}

// Reasons counts the dropped records by the label given to Emitter.Drop.
func (l *Ledger[T]) Reasons() map[string]int64 {
	return locked(l, func() map[string]int64 { return maps.Clone(l.reasons) })
}

// Cuts are the input sides of all commits.
func (l *Ledger[T]) Cuts() []driver.Cut {
	return locked(l, func() []driver.Cut { return slices.Clone(l.cuts) })
}

// Progress is what the ledger knows of a partition.
func (l *Ledger[T]) Progress(p record.Partition) driver.Progress {
	return locked(l, func() driver.Progress {
		for _, s := range l.lanes {
			if g, ok := s.progress[p]; ok {
				return g
			}
		}
		return driver.Progress{}
	})
}

// Take makes another process the last that committed for lane, so that the next commit of everybody else is fenced.
func (l *Ledger[T]) Take(lane string) {
	locked(l, func() int {
		s := l.lane(lane)
		s.version++
		return s.version
	})
}

func locked[T, R any](l *Ledger[T], f func() R) R {
	l.mu.Lock()
	defer l.mu.Unlock()
	return f()
}

func (l *Ledger[T]) lane(name string) *laneState {
	s := l.lanes[name]
	if s == nil {
		s = &laneState{progress: map[record.Partition]driver.Progress{}}
		l.lanes[name] = s
	}
	return s
}

// watermark is the lane's clock for lateness.
func (l *Ledger[T]) watermark(at map[record.Partition]driver.Progress) time.Time {
	watermark, first := time.Time{}, true
	for _, p := range at {
		if p.Ended && len(p.Children) == 0 {
			continue
		}
		if first || p.Watermark.Before(watermark) {
			watermark, first = p.Watermark, false
		}
	}
	return watermark
}

// apply commits a transaction whose lanes have the right versions. The caller holds mu.
func (l *Ledger[T]) apply(cut driver.Cut, tx *txnState[T]) {
	l.cuts = append(l.cuts, cut)
	touched := map[string]bool{}
	for _, lc := range cut.Lanes {
		touched[lc.Lane] = true
		s := l.lane(lc.Lane)
		s.version++
		if lc.Replaying {
			l.t.Errorf("commit: lane %s is committed while pending records come back", lc.Lane)
		}
		next := l.next(lc)
		for p, g := range next {
			l.check(lc, p, s.progress[p], g)
		}
		maps.Copy(s.progress, next)
	}
	for r, n := range cut.Reasons {
		if r.Fate != record.Dead {
			l.reasons[r.Why] += n
		}
	}
	for _, r := range append(slices.Clone(tx.rows), tx.late...) {
		if !touched[r.Lane] {
			l.t.Errorf("commit: a row of lane %s, whose progress is not part of the cut", r.Lane)
		}
	}
	l.rows = append(l.rows, tx.rows...)
	l.late = append(l.late, tx.late...)
	l.dead = append(l.dead, tx.dead...)
}

// next is the progress of a lane after lc, with watermarks. The caller holds mu.
func (l *Ledger[T]) next(lc driver.LaneCut) map[record.Partition]driver.Progress {
	at := maps.Clone(lc.Partitions)
	for p, g := range at {
		g.Watermark = l.lane(lc.Lane).progress[p].Watermark
		if l.Lateness >= 0 && !g.MaxEventTime.IsZero() {
			watermark := g.MaxEventTime.Add(-l.Lateness)
			if g.Pending.Len() > 0 && !g.PendingTime.IsZero() && g.PendingTime.Before(watermark) {
				watermark = g.PendingTime
			}
			if watermark.After(g.Watermark) {
				g.Watermark = watermark
			}
		}
		at[p] = g
	}
	return at
}

// check looks at one partition of a commit: progress never goes back, and every record read has one fate or is pending.
func (l *Ledger[T]) check(lc driver.LaneCut, p record.Partition, was, is driver.Progress) {
	counts := l.counts[p]
	counts.Add(lc.Counts[p])
	l.counts[p] = counts
	l.read[p] += lc.Read[p]
	if got, want := counts.Sum()+int64(is.Pending.Len()), l.read[p]; got != want {
		l.t.Errorf("commit: %v: %d records finished or pending, %d read (fates %v, %d pending)", p, got, want, counts, is.Pending.Len())
	}
	if is.UpTo.Compare(was.UpTo) < 0 || is.MaxEventTime.Before(was.MaxEventTime) {
		l.t.Errorf("commit: %v goes back from %v, %v to %v, %v", p, was.UpTo, was.MaxEventTime, is.UpTo, is.MaxEventTime)
	}
	if err := checkPending(is); err != nil {
		l.t.Errorf("commit: %v: %v", p, err)
	}
}

func checkPending(g driver.Progress) error {
	h := g.Pending
	switch {
	case h.Len() == 0 && (h.Through != 0 || !h.First.IsZero()):
		return fmt.Errorf("nothing is pending, but the set is %+v", h)
	case h.Len() == 0:
		return nil
	case h.Ordinals[0] != 0 || !slices.IsSorted(h.Ordinals) || len(slices.Compact(slices.Clone(h.Ordinals))) != h.Len():
		return fmt.Errorf("pending ordinals %v do not ascend from 0", h.Ordinals)
	case uint64(h.Ordinals[h.Len()-1]) >= h.Through:
		return fmt.Errorf("pending ordinals %v reach beyond Through %d", h.Ordinals, h.Through)
	case h.First.Seq == "" && int64(h.Through) != g.UpTo.Sub-h.First.Sub+1:
		return fmt.Errorf("Through is %d, want the distance of %v and %v", h.Through, h.First, g.UpTo)
	}
	return nil
}
