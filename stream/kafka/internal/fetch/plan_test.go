package fetch

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// at makes the position of an offset.
func at(offset int64) record.Position { return record.Position{Sub: offset + 1} }

// pendingAt makes a set of pending offsets.
func pendingAt(offsets ...int64) driver.PendingSet {
	h := driver.PendingSet{First: at(offsets[0])}
	for _, o := range offsets {
		h.Ordinals = append(h.Ordinals, uint32(o-offsets[0]))
	}
	return h
}

// offsets makes records of offsets from n to m-1.
func offsets(n, m int64) (out []record.Record) {
	for o := n; o < m; o++ {
		out = append(out, record.Record{Position: at(o)})
	}
	return out
}

func got(recs []record.Record) (out []int64) {
	for _, r := range recs {
		out = append(out, r.Position.Sub-1)
	}
	return out
}

func TestAPlanGoesThroughItsPhases(t *testing.T) {
	k := newPlan(driver.Progress{UpTo: at(99), Pending: pendingAt(40, 60)}, &driver.Start{Warmup: time.Hour, WarmFrom: time.Unix(1e9-3600, 0)}, time.Minute)
	k.enter(warming)
	if k.done || k.next != -1 || k.stop != 100 || !k.warmFrom.Equal(time.Unix(1e9-3660, 0)) {
		t.Errorf("warming: %+v", k)
	}
	k.enter(replaying)
	if k.done || k.next != 40 || k.stop != 61 {
		t.Errorf("replaying: %+v", k)
	}
	k.enter(following)
	if k.done || k.next != 100 {
		t.Errorf("following: %+v", k)
	}
}

func TestAFreshPlanHasNothingBeforeItsStart(t *testing.T) {
	k := newPlan(driver.Progress{}, &driver.Start{Warmup: time.Hour}, 0)
	for _, ph := range []phase{warming, replaying} {
		if k.enter(ph); !k.done {
			t.Errorf("phase %d has something to do", ph)
		}
	}
	if k.enter(following); k.done || k.next != -1 || !k.fresh() {
		t.Errorf("following: %+v", k)
	}
}

func TestAnEndedPlanDeliversItsPendingRecordsOnly(t *testing.T) {
	k := newPlan(driver.Progress{UpTo: at(99), Pending: pendingAt(40), Ended: true}, &driver.Start{}, 0)
	if k.enter(replaying); k.done {
		t.Error("pending records are left out")
	}
	if k.enter(following); !k.done {
		t.Error("it goes on after its end")
	}
}

// A plan that gets a log in random pieces delivers exactly what it should, against a set of offsets.
func TestReplayingAndWarmingLeaveOutTheRightRecords(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		upTo := int64(20 + rnd.IntN(200))
		var pending []int64
		for o := range upTo {
			if rnd.IntN(6) == 0 {
				pending = append(pending, o)
			}
		}
		if len(pending) == 0 {
			pending = []int64{0}
		}
		k := newPlan(driver.Progress{UpTo: at(upTo - 1), Pending: pendingAt(pending...)}, &driver.Start{Warmup: time.Hour, WarmFrom: time.Now().Add(-time.Hour)}, 0)
		for _, ph := range []phase{warming, replaying, following} {
			k.enter(ph)
			next := max(0, k.next)
			var all []int64
			for next < min(k.stop, upTo+50) {
				end := min(next+1+rnd.Int64N(40), upTo+50)
				kept, err := k.keep(offsets(next, end), end)
				if err != nil {
					t.Fatalf("phase %d: %v", ph, err)
				}
				all = append(all, got(kept)...)
				if ph == following {
					next = end
				} else {
					next = k.skipTo(end)
				}
			}
			var want []int64
			for o := range upTo + 50 {
				switch {
				case ph == warming && o < upTo && !slices.Contains(pending, o), ph == replaying && slices.Contains(pending, o), ph == following && o >= upTo:
					want = append(want, o)
				}
			}
			if !slices.Equal(all, want) {
				t.Fatalf("phase %d, up to %d, pending %v:\ngot  %v\nwant %v", ph, upTo, pending, all, want)
			}
		}
	}
}

func TestAPendingRecordThatIsNotThereIsMissed(t *testing.T) {
	for name, recs := range map[string][]record.Record{
		"a hole": append(offsets(40, 50), offsets(51, 70)...), "the end of the data": offsets(40, 50), "nothing": nil,
	} {
		k := newPlan(driver.Progress{UpTo: at(99), Pending: pendingAt(40, 50)}, &driver.Start{}, 0)
		if name == "nothing" {
			k.pending = pendingAt(50)
		}
		k.enter(replaying)
		if _, err := k.keep(recs, 70); err == nil {
			t.Errorf("%s: not missed", name)
		}
	}
}

func TestOnlyBatchesThatCanHoldSomethingAreDecoded(t *testing.T) {
	k := newPlan(driver.Progress{UpTo: at(99), Pending: pendingAt(40, 60)}, &driver.Start{Warmup: time.Hour, WarmFrom: time.Now().Add(-time.Hour)}, 0)
	k.enter(replaying)
	for _, c := range []struct {
		first, last int64
		want        bool
	}{{30, 39, false}, {30, 40, true}, {41, 59, false}, {41, 60, true}, {61, 90, false}} {
		if got := k.needs(c.first, c.last); got != c.want {
			t.Errorf("offsets %d to %d: %v, want %v", c.first, c.last, got, c.want)
		}
	}
	if k.enter(warming); k.needs(100, 110) || !k.needs(99, 110) {
		t.Error("warming goes on to the last consumed record and no further")
	}
}
