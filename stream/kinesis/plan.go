package kinesis

import (
	"errors"
	"fmt"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// phase is what a lane delivers. All its shards are in the same one.
type phase int

const (
	warming   phase = iota // finished records, for state only
	replaying              // pending records
	following              // new records
)

// plan says which records of a shard must be delivered since the last Start, and checks that they come. It belongs to the
// goroutine that reads the shard.
type plan struct {
	phase   phase
	upTo    record.Position
	pending driver.PendingSet
	ended   bool

	warms    bool      // a warm-up is asked for
	warmFrom time.Time // arrivals before it need no warm-up; zero: all need one
	elder    bool      // it is read for warm-up only

	ordinal uint64 // of the next record from pending.First on
	next    int    // index in pending.Ordinals of the one that comes next
	done    bool   // the phase has nothing more to give
	beyond  bool   // a record behind upTo was seen
}

func newPlan(p driver.Progress, st *driver.Start, skew time.Duration) *plan {
	k := &plan{upTo: p.UpTo, pending: p.Pending, ended: p.Ended, warms: st.Warmup > 0}
	if !st.WarmFrom.IsZero() {
		k.warmFrom = st.WarmFrom.Add(-skew)
	}
	return k
}

// enter begins a phase and returns where it reads from. skip says that there is nothing to read.
func (k *plan) enter(ph phase) (from origin, skip bool) {
	k.phase, k.ordinal, k.next, k.done = ph, 0, 0, false
	switch ph {
	case warming:
		if !k.warms || k.upTo.IsZero() && !k.elder {
			return from, true
		}
		if k.warmFrom.IsZero() {
			return from, false
		}
		// Pending records are found by counting from the first of them on.
		return origin{time: k.warmFrom, seq: k.pending.First.Seq}, false
	case replaying:
		return origin{seq: k.pending.First.Seq}, k.pending.Len() == 0
	case following:
	}
	return origin{seq: k.upTo.Seq}, k.ended || k.elder
}

// origin is where to begin to read: at a sequence number, or at a time of arrival if that is earlier. With neither it is
// the start of the log.
type origin struct {
	seq   string
	time  time.Time
	after bool // behind seq; else at it, so that its presence proves that nothing before it matters
}

// verdict says what to do with a record.
type verdict int

const (
	skip verdict = iota
	give
	stop // the phase is over
)

// judge takes the next record that the shard has.
func (k *plan) judge(at record.Position) (verdict, error) {
	if k.phase == following {
		if k.beyond = k.beyond || at.Compare(k.upTo) > 0; k.beyond {
			return give, nil
		}
		return skip, nil
	}
	if !k.elder && at.Compare(k.upTo) > 0 {
		return stop, k.finish(at)
	}
	pending := false
	if k.pending.Len() > 0 && at.Compare(k.pending.First) >= 0 {
		if k.ordinal == 0 && at != k.pending.First && k.phase == warming {
			return stop, errLater
		}
		if k.ordinal == 0 && at != k.pending.First {
			return stop, fmt.Errorf("%w: the pending record at %v is not in the log, %v is the first", driver.ErrLost, k.pending.First, at)
		}
		pending = k.next < k.pending.Len() && uint64(k.pending.Ordinals[k.next]) == k.ordinal
		if pending {
			k.next++
		}
		k.ordinal++
	}
	k.done = k.phase == replaying && k.next == k.pending.Len() || k.phase == warming && at == k.upTo && !k.elder
	if pending != (k.phase == replaying) {
		return skip, nil
	}
	return give, nil
}

// errLater says that a warm-up began after the first pending record, from which records are counted.
var errLater = errors.New("kinesis: the warm-up begins behind the first pending record")

// finish checks that all pending records came. It is called at the end of a phase, at a new record or at the end of the
// log.
func (k *plan) finish(at record.Position) error {
	k.done = true
	if k.phase == replaying && k.next < k.pending.Len() {
		return fmt.Errorf("%w: %d of %d pending records from %v on are not in the log before %v", driver.ErrLost,
			k.pending.Len()-k.next, k.pending.Len(), k.pending.First, at)
	}
	return nil
}
