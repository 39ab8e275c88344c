package lane

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/internal/reasons"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

func TestFatesFollowWhatBecameOfTheRows(t *testing.T) {
	for _, test := range []struct {
		orders string
		want   record.Fate
		rows   []string
		dead   int
	}{
		{"a:emit=x a:emit=y", record.Written, []string{"x", "y"}, 0},
		{"", record.Filtered, nil, 0},
		{"a:drop=twin", record.Duplicate, nil, 0},
		{"a:drop=twin a:emit=x", record.Written, []string{"x"}, 0},
		{"a:emit=none", record.Filtered, nil, 0},
		{"a:emit=late", record.Late, nil, 0},
		{"a:emit=late a:emit=x", record.Written, []string{"x"}, 0},
		{"a:emit=late a:emit=bad", record.Late, nil, 1},
		{"a:emit=bad a:emit=bad2", record.Dead, nil, 1},
		{"a:emit=bad a:emit=x", record.Written, []string{"x"}, 1},
		{"a:emit=x a:reject=why", record.Dead, nil, 1},
		{"a:reject=why a:emit=x", record.Dead, nil, 1},
		{"a:reject=why a:reject=again", record.Dead, nil, 1},
		{"a:reject=why a:drop=twin", record.Dead, nil, 1},
		{"a:emit=bad a:drop=twin", record.Dead, nil, 1},
	} {
		l := newTestLane(t, nil, &say{})
		l.feed(0, "a "+test.orders)
		if got := l.counts(); got[test.want] != 1 || got.Sum() != 1 {
			t.Errorf("%q: got fates %v, want one %v", test.orders, got, test.want)
		}
		if !slices.Equal(l.txn.rows, test.rows) || len(l.txn.dead) != test.dead {
			t.Errorf("%q: got rows %v and %d dead letters, want %v and %d", test.orders, l.txn.rows, len(l.txn.dead), test.rows, test.dead)
		}
	}
}

func TestMergedRecordsFinishWithTheirTarget(t *testing.T) {
	l := newTestLane(t, nil, &say{})
	l.feed(0, "a a:hold")
	l.feed(0, "b b:hold b:merge=a")   // b is in a, and held itself
	l.feed(0, "c c:merge=b c:emit=C") // c is in b, so in a, and has a row of its own
	l.feed(0, "a2 a:release a:emit=A")
	if got := l.counts(); got.Sum() != 1 || len(l.txn.rows) != 0 {
		t.Errorf("while b is pending: got fates %v and rows %v, want only a2 to be finished", got, l.txn.rows)
	}
	l.feed(0, "b2 b:release")
	want := record.Counts{record.Written: 2, record.Merged: 1, record.Filtered: 2}
	if got := l.counts(); got != want {
		t.Errorf("got fates %v, want %v", got, want)
	}
	if slices.Sort(l.txn.rows); !slices.Equal(l.txn.rows, []string{"A", "C"}) {
		t.Errorf("got rows %v, want A and C", l.txn.rows)
	}
	if n := l.core.flight.slots.live; n != 0 {
		t.Errorf("%d records are left, want 0", n)
	}
}

func TestRowsOfAPendingRecordWait(t *testing.T) {
	l := newTestLane(t, nil, &say{})
	l.feed(0, "a a:hold a:hold a:emit=1 a:emit=2", "b b:emit=3")
	l.feed(0, "c a:release a:emit=4")
	if !slices.Equal(l.txn.rows, []string{"3"}) {
		t.Errorf("while a is pending: got rows %v, want [3]", l.txn.rows)
	}
	l.feed(0, "d a:release")
	if !slices.Equal(l.txn.rows, []string{"3", "1", "2", "4"}) {
		t.Errorf("got rows %v, want those of a behind [3], in order", l.txn.rows)
	}
}

func TestRejectTakesBackWaitingRows(t *testing.T) {
	l := newTestLane(t, nil, &say{})
	l.feed(0, "a a:hold a:emit=1")
	l.feed(0, "b a:reject=why a:release")
	if len(l.txn.rows) != 0 || len(l.txn.dead) != 1 {
		t.Errorf("got rows %v and %d dead letters, want none and 1", l.txn.rows, len(l.txn.dead))
	}
}

func TestAStageThatBreaksTheRulesStopsTheJob(t *testing.T) {
	for orders, want := range map[string]string{
		"x:hold":           "finished or was never given",
		"x:emit=1":         "finished or was never given",
		"a:merge=x":        "finished or was never given",
		"a:release":        "did not hold",
		"a:fail=broken":    "broken",
		"old:emit=1":       "finished or was never given",
		"a:hold a:release": "",
	} {
		l := newTestLane(t, nil, &say{})
		l.feed(0, "old")
		err := l.try(l.batch(0, "a "+orders))
		if want == "" {
			if err != nil {
				t.Errorf("%q: %v", orders, err)
			}
			continue
		}
		var broken *stage.Error
		if !errors.As(err, &broken) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got error %v, want a stage.Error that says %q", orders, err, want)
			continue
		}
		if broken.Lane != "p/0" || *broken.Partition != testParts[0] || broken.First.Sub != 2 {
			t.Errorf("%q: got %+v, want the lane and the batch's first record", orders, broken)
		}
	}
}

// claimer is a stage in front of which nobody may hold.
type claimer struct{ stage.Stage[string, string] }

func (claimer) Traits() stage.Traits { return stage.Traits{ClaimsFirst: true} }

func TestAHolderInFrontOfAFirstClaimerStopsTheJob(t *testing.T) {
	l := newTestLane(t, nil, &say{}, claimer{&say{}})
	if err := l.try(l.batch(0, "a a:hold")); err == nil || !strings.Contains(err.Error(), "who is first") {
		t.Errorf("got %v, want an error that tells the rule", err)
	}
}

func TestDeadLettersKeepTheRecordIfTold(t *testing.T) {
	for _, keep := range []bool{false, true} {
		l := newTestLane(t, nil, &say{})
		l.core.flight.keep = keep
		b := l.batch(0, "a a:hold")
		b.Done = func() { clear(b.Records[0].Value) } // the source uses the bytes again
		if err := l.try(b); err != nil {
			t.Fatal(err)
		}
		l.feed(0, "b a:reject=why a:release")
		d := l.txn.dead[0]
		want := map[bool]string{true: "a a:hold"}[keep]
		if string(d.Record.Value) != want || d.Record.Position.Sub != 1 || *d.Record.Partition != testParts[0] {
			t.Errorf("KeepRecords %v: got %+v, want position 1 and value %q", keep, d.Record, want)
		}
		if len(l.core.flight.kept) != 0 {
			t.Errorf("%d records are kept for ever", len(l.core.flight.kept))
		}
	}
}

func TestLabelsAreBounded(t *testing.T) {
	l := newTestLane(t, nil, &say{})
	for i := range 3 * reasons.Most {
		l.feed(0, fmt.Sprintf("a a:drop=why%d", i))
	}
	got := l.cut().Reasons
	other := got[record.Reason{Fate: record.Duplicate, Why: "other"}]
	if len(got) > reasons.Most+1 || got[record.Reason{Fate: record.Duplicate, Why: "why0"}] != 1 || other != 2*reasons.Most {
		t.Errorf("got %d reasons with %d other, want at most %d", len(got), other, reasons.Most+1)
	}
}

// What a rejected record yielded before must not reach the next stage: it could claim an ID or wait for a partner there.
func TestTheNextStageDoesNotSeeWhatWasTakenBack(t *testing.T) {
	var seen []string
	split := does(func(e record.Event[string], out *stage.Emitter[string]) {
		for _, w := range strings.Fields(e.Value) {
			if w == "bad" {
				out.Reject(e.Origin, errors.New("bad word"))
				return
			}
			out.Emit(record.Derive(&e, w))
		}
	})
	l := newTestLane(t, nil, split, does(func(e record.Event[string], out *stage.Emitter[string]) {
		seen = append(seen, e.Value)
		out.Emit(e)
	}))
	l.feed(0, "a b", "c bad", "d")
	if want := []string{"a", "b", "d"}; !slices.Equal(seen, want) || !slices.Equal(l.txn.rows, want) {
		t.Errorf("the next stage saw %v and rows are %v, want %v", seen, l.txn.rows, want)
	}
}

// Records that cannot be read, of two partitions in one batch: those of the second once moved its position beyond records
// before them, which were then left out as if they had come before.
func TestUnreadableRecordsTakeTheirPlaceInTheirPartition(t *testing.T) {
	l := newTestLane(t, nil)
	b := &driver.Batch{Lane: "p/0"}
	for at := int64(1); at <= 200; at++ {
		if at != 150 {
			b.Records = append(b.Records, rec(0, at, fmt.Sprint("a", at)))
		}
	}
	for at := int64(1); at <= 200; at++ {
		if at != 3 && at != 200 {
			b.Records = append(b.Records, rec(1, at, fmt.Sprint("b", at)))
		}
	}
	for _, r := range []record.Record{rec(1, 200, ""), rec(1, 3, ""), rec(0, 150, "")} {
		b.Unreadable = append(b.Unreadable, driver.DeadLetter{Record: r, Err: errors.New("corrupt")})
	}
	if err := l.try(b); err != nil {
		t.Fatal(err)
	}
	if len(l.txn.rows) != 397 || len(l.txn.dead) != 3 {
		t.Errorf("got %d rows and %d dead letters, want 397 and 3", len(l.txn.rows), len(l.txn.dead))
	}
	cut := l.cut()
	for i, p := range testParts {
		if g := cut.Partitions[p]; g.UpTo.Sub != 200 || cut.Read[p] != 200 {
			t.Errorf("partition %d: read %d up to %v, want 200", i, cut.Read[p], g.UpTo)
		}
	}
}

// A cut within a batch is the progress of what was processed, with the time at which the newest of that came.
func TestACutWithinABatchIsOfWhatWasProcessed(t *testing.T) {
	l := newTestLane(t, nil)
	var values []string
	for i := range 300 {
		values = append(values, fmt.Sprint("v", i))
	}
	b := l.batch(0, values...)
	b.Passed = []driver.Passed{{Partition: testParts[0], UpTo: record.Position{Sub: 310}}}
	b.Ended = []driver.Ended{{Partition: testParts[1]}}
	for _, want := range []struct {
		upTo, read int64
		ended      bool
	}{{128, 128, false}, {256, 128, false}, {310, 44, true}} {
		done, err := l.core.Slice(t.Context(), b)
		if err != nil || done != want.ended {
			t.Fatalf("slice: %v, %v", done, err)
		}
		cut := l.cut()
		g := cut.Partitions[testParts[0]]
		if g.UpTo.Sub != want.upTo || cut.Read[testParts[0]] != want.read || !g.Arrived.Equal(minute(min(want.upTo, 300))) {
			t.Errorf("read %d up to %v, arrived %v, want %d up to %d", cut.Read[testParts[0]], g.UpTo, g.Arrived, want.read, want.upTo)
		}
		if ended := cut.Partitions[testParts[1]].Ended; ended != want.ended {
			t.Errorf("at %v: the other partition ended: %v, want %v", g.UpTo, ended, want.ended)
		}
	}
}
