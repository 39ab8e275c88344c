package sink

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

const (
	forgetEvery = 10 * time.Minute

	// forgetAfter is for how long nobody has touched a lane that is forgotten. The fold needs no such time, but a lane that was
	// adopted before a forgotten one was last touched must be adopted again for its first commit.
	forgetAfter = 30 * time.Minute

	// goneAfter is for how long the source has not listed a finished partition until it is new if it comes back. A folder that
	// was not mounted for an hour lists none of its files, and all of them come back.
	goneAfter = 24 * time.Hour
	goneLooks = 10 // and how often at least it was looked for in vain

	mostForgets = 64 // entries at once
)

// forgetter decides what is forgotten. Only maintain uses it.
type forgetter struct {
	next   time.Time
	marks  []ledgerMark                          // where the ledger ended at some times, ascending
	absent map[ledger.PartitionHash]disappearing // what has ended and the source does not list
}

// ledgerMark is the first entry that there was not at a time.
type ledgerMark struct {
	at    time.Time
	entry uint64
}

// disappearing is since when a partition was not listed, and in how many lists one after the other.
type disappearing struct {
	since time.Time
	looks int
}

// forget takes out of the ledger's state what has ended and holds nothing. Of what the source lists a hash is kept.
func (k *keeper) forget(ctx context.Context, now time.Time, list func(context.Context) ([]record.Partition, error)) error {
	f := &k.forgetter
	if now.Before(f.next) {
		return nil
	}
	f.next = now.Add(k.env.Jitter(forgetEvery))
	spent, finished := k.forgettable(now)
	if len(spent) == 0 && len(finished) == 0 {
		f.absent = nil
		return nil
	}
	parts, err := list(ctx)
	if err != nil {
		k.log.Warn("cannot list the source's partitions; nothing is forgotten for now", "err", err)
		return nil
	}
	e := k.toForget(now, parts, spent, finished)
	for range mostForgets {
		part := &ledger.Forget{
			Over: e.Over[:min(len(e.Over), ledger.MaxForget)], Gone: e.Gone[:min(len(e.Gone), ledger.MaxForget)], Generation: k.opts.Generation,
		}
		if len(part.Over)+len(part.Gone) == 0 {
			return nil
		}
		e.Over, e.Gone = e.Over[len(part.Over):], e.Gone[len(part.Gone):]
		id, err := k.append(ctx, &ledger.Entry{Kind: ledger.KindForget, Token: newToken(k.env), Published: k.marks(), Sealed: k.sealedMark(), Forget: part}, nil)
		if errors.Is(err, driver.ErrFenced) {
			k.log.Debug("nothing is forgotten for now", "err", err)
			return nil
		}
		if err != nil {
			return fmt.Errorf("sink: forget what has ended: %w", err)
		}
		k.log.Info("forgot partitions that have ended", "partitions", len(part.Over), "gone", len(part.Gone), "entry", id)
		k.saveSnapshot(ctx, id)
	}
	f.next = now
	return nil
}

// forgettable returns what has ended and may be forgotten, if nobody has touched its lane for a while, and what was
// forgotten and may be gone.
func (k *keeper) forgettable(now time.Time) (map[ledger.PartitionHash]record.Partition, []ledger.PartitionHash) {
	f := &k.forgetter
	k.env.Lock(&k.mu)
	defer k.mu.Unlock()
	since := uint64(0)
	f.marks = append(f.marks, ledgerMark{now, k.state.Last + 1})
	for len(f.marks) > 1 && now.Sub(f.marks[1].at) >= forgetAfter {
		f.marks = f.marks[1:]
	}
	if now.Sub(f.marks[0].at) >= forgetAfter {
		since = f.marks[0].entry
	}
	spent := k.state.Spent(since)
	maps.DeleteFunc(spent, func(_ ledger.PartitionHash, p record.Partition) bool {
		return k.heldLane(k.state.Partitions[p].Lane) != nil
	})
	return spent, k.state.Finished.All()
}

// toForget says what to forget now that the source lists parts.
func (k *keeper) toForget(now time.Time, parts []record.Partition, spent map[ledger.PartitionHash]record.Partition, finished []ledger.PartitionHash) ledger.Forget {
	listed := make(map[ledger.PartitionHash]bool, len(parts))
	for _, p := range parts {
		listed[ledger.HashPartition(p)] = true
	}
	f := &k.forgetter
	absent := map[ledger.PartitionHash]disappearing{}
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
		after := cmp.Or(k.env.GoneAfter, goneAfter)
		return now.Sub(d.since) >= after && d.looks >= min(goneLooks, int(after/forgetEvery))
	}
	var e ledger.Forget
	k.env.Lock(&k.mu)
	for h, p := range spent {
		if k.state.Listable(p) || gone(h) {
			e.Over = append(e.Over, h)
		}
	}
	k.mu.Unlock()
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
