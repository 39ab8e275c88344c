package upkeep

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink/internal/journal"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

const (
	forgetEvery = 10 * time.Minute

	// forgetAfter is how long a lane must be untouched before it is forgotten. The fold does not need that time. But an
	// instance that acquired a lane before a forgotten one was last touched must acquire it again before its first commit.
	forgetAfter = 30 * time.Minute

	// goneAfter is how long the source must not have listed a finished partition before it counts as new if it comes back.
	// A folder that is unmounted for an hour lists none of its files, and then all come back.
	goneAfter = 24 * time.Hour
	goneLooks = 10 // and how often at least it was looked for in vain

	mostForgets = 64 // entries at once
)

// Forgetter removes from the ledger's state what is over. Only the goroutine of Maintain uses it.
type Forgetter struct {
	journal    *journal.Journal
	publisher  *Publisher
	holds      func(lanes []string) bool
	generation uint64 // of the topics by which we know what the source lists

	next   time.Time
	marks  []ledgerMark                          // where the ledger ended at some times, ascending
	absent map[ledger.PartitionHash]disappearing // what has ended and the source does not list
}

// NewForgetter returns a Forgetter that looks at once. holds reports whether we own one of some lanes.
func NewForgetter(j *journal.Journal, p *Publisher, holds func(lanes []string) bool, generation uint64) *Forgetter {
	return &Forgetter{journal: j, publisher: p, holds: holds, generation: generation}
}

// ledgerMark is the first entry that there was not at a time.
type ledgerMark struct {
	at    time.Time
	entry uint64
}

// disappearing says since when a partition was not listed, and in how many lists in a row.
type disappearing struct {
	since time.Time
	looks int
}

// Forget removes from the ledger's state what has ended and holds nothing. It keeps a hash of what the source lists.
func (f *Forgetter) Forget(ctx context.Context, now time.Time, list func(context.Context) ([]record.Partition, error)) error {
	if now.Before(f.next) {
		return nil
	}
	log := f.journal.Log
	f.next = now.Add(f.journal.Objects.Env.Jitter(forgetEvery))
	spent, finished := f.forgettable(now)
	if len(spent) == 0 && len(finished) == 0 {
		f.absent = nil
		return nil
	}
	parts, err := list(ctx)
	if err != nil {
		log.Warn("cannot list the source's partitions; nothing is forgotten for now", "err", err)
		return nil
	}
	all := f.toForget(now, parts, spent, finished)
	for range mostForgets {
		e := f.publisher.Entry(ledger.KindForget)
		e.Forget = &ledger.Forget{
			Over: all.Over[:min(len(all.Over), ledger.MaxForget)], Gone: all.Gone[:min(len(all.Gone), ledger.MaxForget)], Generation: f.generation,
		}
		over, gone := len(e.Forget.Over), len(e.Forget.Gone)
		if over+gone == 0 {
			return nil
		}
		all.Over, all.Gone = all.Over[over:], all.Gone[gone:]
		id, err := f.journal.Add(ctx, e, nil)
		if errors.Is(err, driver.ErrFenced) {
			log.Debug("nothing is forgotten for now", "err", err)
			return nil
		}
		if err != nil {
			return fmt.Errorf("sink: forget what has ended: %w", err)
		}
		log.Info("forgot partitions that have ended", "partitions", over, "gone", gone, "entry", id)
	}
	f.next = now
	return nil
}

// forgettable returns the partitions that have ended and may be forgotten, if nobody has touched their lane for a while.
// finished are forgotten partitions that may be gone.
func (f *Forgetter) forgettable(now time.Time) (spent map[ledger.PartitionHash]record.Partition, finished []ledger.PartitionHash) {
	f.journal.Look(func(s *ledger.State) {
		since := uint64(0)
		f.marks = append(f.marks, ledgerMark{now, s.Last + 1})
		for len(f.marks) > 1 && now.Sub(f.marks[1].at) >= forgetAfter {
			f.marks = f.marks[1:]
		}
		if now.Sub(f.marks[0].at) >= forgetAfter {
			since = f.marks[0].entry
		}
		spent = s.Lanes.Spent(since)
		maps.DeleteFunc(spent, func(_ ledger.PartitionHash, p record.Partition) bool {
			return f.holds([]string{s.Lanes.Partitions[p].Lane})
		})
		finished = s.Lanes.Finished.All()
	})
	return spent, finished
}

// toForget says what to forget now that the source lists parts.
func (f *Forgetter) toForget(now time.Time, parts []record.Partition, spent map[ledger.PartitionHash]record.Partition, finished []ledger.PartitionHash) ledger.Forget {
	listed := make(map[ledger.PartitionHash]bool, len(parts))
	for _, p := range parts {
		listed[ledger.HashPartition(p)] = true
	}
	absent := map[ledger.PartitionHash]disappearing{}
	after := cmp.Or(f.journal.Objects.Env.GoneAfter, goneAfter)
	gone := func(h ledger.PartitionHash) bool {
		if listed[h] {
			return false
		}
		d, ok := f.absent[h]
		if !ok {
			d.since = now
		}
		d.looks++
		absent[h] = d
		return now.Sub(d.since) >= after && d.looks >= min(goneLooks, int(after/forgetEvery))
	}
	var e ledger.Forget
	f.journal.Look(func(s *ledger.State) {
		for h, p := range spent {
			if s.Lanes.Listable(p) || gone(h) {
				e.Over = append(e.Over, h)
			}
		}
	})
	for _, h := range finished {
		if gone(h) {
			e.Gone = append(e.Gone, h)
		}
	}
	f.absent = absent
	slices.SortFunc(e.Over, ledger.PartitionHash.Compare)
	slices.SortFunc(e.Gone, ledger.PartitionHash.Compare)
	return e
}
