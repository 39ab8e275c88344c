package fetch

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// phase is what a lane delivers. All its partitions are in the same phase.
type phase int

const (
	warming   phase = iota // finished records, for state only
	replaying              // pending records
	following              // new records
)

// plan says what is still to be read of a partition. Each Start makes a new one, so work for an old plan is recognised by
// comparing pointers. Reader.mu guards its fields, except at, which belongs to the goroutine that decodes.
type plan struct {
	phase   phase
	done    bool  // nothing is left in this phase
	fetched bool  // nothing is left to fetch in this phase
	next    int64 // the offset to fetch next; -1 if a lookup has to tell
	stop    int64 // the phase ends before it

	upTo     int64 // the first new offset; 0 if nothing was consumed
	pending  driver.PendingSet
	at       int       // index of the pending record that comes next
	warms    bool      // a warm-up is asked for
	warmFrom time.Time // by the broker's times; zero: from the first record on
	ended    bool

	lastEpoch int32 // leader epoch of the batch before next; -1 if unknown
	baseEpoch int32 // of what was consumed in the last run
	consumed  int64 // the offset after the last one that we rely on; a log that ends before it was truncated
}

func newPlan(p driver.Progress, st *driver.Start, skew time.Duration) *plan {
	k := &plan{
		upTo: p.UpTo.Sub, pending: p.Pending, ended: p.Ended, consumed: p.UpTo.Sub, lastEpoch: -1, baseEpoch: epochOf(p.Mark),
		warms: st.Warmup > 0,
	}
	if !st.WarmFrom.IsZero() {
		k.warmFrom = st.WarmFrom.Add(-skew)
	}
	return k
}

// enter begins a phase.
func (k *plan) enter(ph phase) {
	k.phase, k.lastEpoch, k.next, k.fetched = ph, -1, -1, false
	switch ph {
	case warming:
		k.stop = k.upTo
		k.done = k.upTo == 0 || !k.warms
	case replaying:
		k.at = 0
		if k.done = k.pending.Len() == 0; !k.done {
			k.next = k.pendingOffset(0)
			k.stop = k.pendingOffset(k.pending.Len()-1) + 1
		}
	case following:
		k.stop, k.done = math.MaxInt64, k.ended
		if k.upTo > 0 {
			k.next, k.lastEpoch = k.upTo, k.baseEpoch
		}
	}
}

// pendingOffset is the offset of pending record i.
func (k *plan) pendingOffset(i int) int64 {
	return k.pending.First.Sub - 1 + int64(k.pending.Ordinals[i])
}

// fresh reports whether no record of the partition was ever consumed. Then it begins wherever the log does.
func (k *plan) fresh() bool { return k.upTo == 0 && k.consumed == 0 }

// skipTo returns the offset to read once everything before n was read: n, or while replaying the next pending offset from n
// on.
func (k *plan) skipTo(n int64) int64 {
	if k.phase != replaying || n >= k.stop {
		return n
	}
	first := k.pending.First.Sub - 1
	i, _ := slices.BinarySearchFunc(k.pending.Ordinals, n, func(o uint32, n int64) int {
		return int(min(1, max(-1, first+int64(o)-n)))
	})
	return k.pendingOffset(i)
}

// needs reports whether a batch of these offsets can have something to deliver.
func (k *plan) needs(first, last int64) bool {
	switch k.phase {
	case warming:
		return first < k.stop
	case replaying:
		n := k.skipTo(first)
		return n <= last && n < k.stop
	case following:
	}
	return true
}

// keep returns the records in recs that the phase delivers. recs are all records from one fetch, which ends before offset
// next. It fails if a pending record is missing.
func (k *plan) keep(recs []record.Record, next int64) ([]record.Record, error) {
	if k.phase == following {
		return recs, nil
	}
	out := recs[:0]
	for _, r := range recs {
		o := r.Position.Sub - 1
		if k.phase == warming {
			for k.at < k.pending.Len() && k.pendingOffset(k.at) < o {
				k.at++
			}
			if o < k.stop && (k.at == k.pending.Len() || k.pendingOffset(k.at) != o) {
				out = append(out, r)
			}
			continue
		}
		if k.at < k.pending.Len() && k.pendingOffset(k.at) < o {
			break
		}
		if k.at < k.pending.Len() && k.pendingOffset(k.at) == o {
			out = append(out, r)
			k.at++
		}
	}
	clear(recs[len(out):])
	if k.phase == replaying && k.at < k.pending.Len() && k.pendingOffset(k.at) < next {
		return out, fmt.Errorf("the pending record at offset %d was not among those that the broker gave; compaction or a log that was written anew does that", k.pendingOffset(k.at))
	}
	return out, nil
}
