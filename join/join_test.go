package join_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/join"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
	"github.com/onceflow/onceflow/stream/streamtest"
)

var t0 = time.Date(2025, 5, 1, 6, 59, 50, 0, time.UTC)

func open(t *testing.T, o *join.Options) *streamtest.Lane[event, event] {
	return streamtest.Open(t, join.Left((*event).key, (*event).isLeft, (*event).merge, o))
}

func load(id int, key string) event { return event{ID: id, Key: key, Left: true} }
func beat(id int, key string) event { return event{ID: id, Key: key} }

func TestUnmatchedLeftLeavesByEventTimeAlone(t *testing.T) {
	l := open(t, nil)
	l.Feed(t0, load(1, "a"))
	if got := l.Advance(t0.Add(100 * time.Second)); len(got) != 0 {
		t.Errorf("at window and grace: got %v, want nothing yet: a beat that may come then still matches", got)
	}
	if got := l.Advance(t0.Add(100*time.Second + time.Nanosecond)); len(got) != 1 || got[0].Mate != 0 {
		t.Errorf("after window and grace: got %v, want the load alone", got)
	}
}

func TestWindowAndEarlyAreInclusive(t *testing.T) {
	for _, c := range []struct {
		gap  time.Duration
		want bool
	}{
		{-5*time.Second - 1, false}, {-5 * time.Second, true}, {0, true}, {90 * time.Second, true}, {90*time.Second + 1, false},
	} {
		l := open(t, nil)
		l.Feed(t0, load(1, "a"))
		if got := l.Feed(t0.Add(c.gap), beat(2, "a")); (len(got) == 1) != c.want {
			t.Errorf("gap %s: got %v, want a pair: %v", c.gap, got, c.want)
		}
		l = open(t, nil)
		l.Feed(t0.Add(c.gap), beat(2, "a"))
		if got := l.Feed(t0, load(1, "a")); (len(got) == 1) != c.want {
			t.Errorf("gap %s, the beat first: got %v, want a pair: %v", c.gap, got, c.want)
		}
	}
}

func TestPairOverAnHoursBorderKeepsTheLoadsTime(t *testing.T) {
	l := open(t, nil) // streamtest fails if a time moves
	l.Feed(t0, load(1, "a"))
	if got := l.Feed(t0.Add(30*time.Second), beat(2, "a")); len(got) != 1 || got[0].ID != 1 || got[0].Mate != 2 {
		t.Errorf("got %v, want load 1 with beat 2", got)
	}
	if want := (record.Counts{record.Written: 1, record.Merged: 1}); l.Fates() != want {
		t.Errorf("fates %v, want %v", l.Fates(), want)
	}
}

func TestRightTakesTheLatestLeftThatIsNotLater(t *testing.T) {
	l := open(t, nil)
	l.Feed(t0, load(1, "a"))
	l.Feed(t0.Add(10*time.Second), load(2, "a"))
	l.Feed(t0.Add(22*time.Second), load(3, "a"))
	if got := l.Feed(t0.Add(20*time.Second), beat(4, "a")); len(got) != 1 || got[0].ID != 2 {
		t.Errorf("got %v, want load 2", got)
	}
	if got := l.Feed(t0.Add(21*time.Second), beat(5, "a")); len(got) != 1 || got[0].ID != 1 {
		t.Errorf("got %v, want load 1: it is earlier, load 3 is not", got)
	}
	if got := l.Feed(t0.Add(21*time.Second), beat(6, "a")); len(got) != 1 || got[0].ID != 3 {
		t.Errorf("got %v, want load 3: within Early", got)
	}
}

func TestZeroKeyTakesNoPart(t *testing.T) {
	l := open(t, nil)
	for i, e := range []event{load(1, ""), beat(2, "")} {
		if got := l.Feed(t0, e); len(got) != 1 || got[0] != e {
			t.Errorf("event %d: got %v, want it as it is", i, got)
		}
	}
}

// Left events without a match are dropped, right ones are kept: a right outer join.
func TestInnerMayKeepRightEvents(t *testing.T) {
	l := streamtest.Open(t, join.Inner((*event).key, (*event).isLeft, (*event).merge, &join.Options{KeepRight: true}))
	l.Feed(t0, load(1, "a"))
	l.Feed(t0, load(2, "b"))
	l.Feed(t0, beat(3, "b"))
	l.Feed(t0, beat(4, "c"))
	l.CrashShuffled(1)
	l.Advance(record.EndOfTime)
	if got := rows(l); !slices.Equal(got, []string{"2+3", "4+0"}) || l.Reasons()["unmatched left"] != 1 {
		t.Errorf("got %v, reasons %v; want load 2 with its beat, beat 4 alone, and load 1 dropped", got, l.Reasons())
	}
}

func TestInnerDropsUnmatchedLeft(t *testing.T) {
	l := streamtest.Open(t, join.Inner((*event).key, (*event).isLeft, (*event).merge, nil))
	l.Feed(t0, load(1, "a"))
	l.Feed(t0, load(2, "b"))
	l.Feed(t0, beat(3, "b"))
	l.Feed(t0, beat(4, "c"))
	l.Advance(record.EndOfTime)
	if len(l.Out) != 1 || l.Out[0].ID != 2 {
		t.Errorf("got %v, want load 2 alone", l.Out)
	}
	if r := l.Reasons(); r["unmatched left"] != 1 || r["unmatched"] != 1 {
		t.Errorf("reasons %v, want one of each side", r)
	}
}

func TestUnfinishedRecordIsReplayedWithItsPair(t *testing.T) {
	// Two loads came in one record. One has its beat; the record is unfinished until the other has left, and a crash
	// before that must bring both back, and the beat.
	type line = event
	s := stream.Compose(
		stream.FlatMap(func(in *[]line, yield func(line)) error {
			for _, e := range *in {
				yield(e)
			}
			return nil
		}),
		join.Left((*line).key, (*line).isLeft, (*line).merge, nil))
	l := streamtest.Open(t, s)
	l.Feed(t0, []line{load(1, "a"), load(2, "b")})
	if got := l.Feed(t0, []line{beat(3, "a")}); len(got) != 0 {
		t.Errorf("got %v, want nothing: a record's rows are written together", got)
	}
	l.CrashShuffled(3)
	l.Advance(record.EndOfTime)
	want := []line{{ID: 1, Key: "a", Left: true, Mate: 3}, {ID: 2, Key: "b", Left: true}}
	slices.SortFunc(l.Out, func(a, b line) int { return a.ID - b.ID })
	if !slices.Equal(l.Out, want) {
		t.Errorf("got %v, want %v", l.Out, want)
	}
}

func TestTooManyPendingStopsTheJob(t *testing.T) {
	p, err := join.Left((*event).key, (*event).isLeft, (*event).merge, &join.Options{MaxPending: 2}).Open(&stage.Lane{Name: "x"})
	if err != nil {
		t.Fatal(err)
	}
	var out stage.Emitter[event]
	in := func(n int) []record.Event[event] {
		return []record.Event[event]{{Value: load(n, "a"), Time: t0, Origin: record.NewOrigin(uint32(n))}}
	}
	for n := 1; n <= 2; n++ {
		if err := p.Process(t.Context(), in(n), &out); err != nil {
			t.Fatalf("event %d: %v", n, err)
		}
	}
	var full *join.PendingError
	if err := p.Process(t.Context(), in(3), &out); !errors.As(err, &full) || full.Pending != 3 || full.Lane != "x" {
		t.Errorf("got %v, want a PendingError with 3 events in lane x", err)
	}
	for _, want := range []string{"nothing is lost", "larger MaxPending", "no event time yet"} {
		if !strings.Contains(full.Error(), want) {
			t.Errorf("%q does not say %q", full, want)
		}
	}
}

func TestOptionsReportAllFaults(t *testing.T) {
	err := stage.TraitsOf(join.Left((*event).key, nil, (*event).merge, &join.Options{Window: -2, Early: -2, Grace: -2, MaxPending: -2})).Err
	for _, want := range []string{"Window", "Early", "Grace", "MaxPending", "isLeft"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want a word about %s", err, want)
		}
	}
}

func TestJoinIsKnownToHold(t *testing.T) {
	if !stage.TraitsOf(join.Left((*event).key, (*event).isLeft, (*event).merge, nil)).Holds {
		t.Error("Run could not refuse a join before dedup")
	}
}

func TestHotPathDoesNotAllocate(t *testing.T) {
	p, err := join.Left((*event).key, (*event).isLeft, (*event).merge, nil).Open(&stage.Lane{})
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for i := range 5000 {
		keys = append(keys, fmt.Sprint("session ", i))
	}
	out, in, at, n := new(stage.Emitter[event]), make([]record.Event[event], 0, 2000), t0, 0
	run := func() {
		in = in[:0]
		for range cap(in) / 2 { // a load, and the beat of the load 2,000 events before
			at = at.Add(time.Millisecond)
			o := record.NewOrigin(uint32(2 * n))
			in = append(in, record.Event[event]{Value: load(n, keys[n%len(keys)]), Time: at, Origin: o})
			if n >= 1000 && n%4 > 0 { // every fourth load gets none
				o := record.NewOrigin(uint32(2*n + 1))
				in = append(in, record.Event[event]{Value: beat(n, keys[(n-1000)%len(keys)]), Time: at, Origin: o})
			}
			n++
		}
		if err := p.Process(t.Context(), in, out); err != nil {
			t.Fatal(err)
		}
		if err := p.(stage.Advancer[event]).Advance(t.Context(), at, out); err != nil {
			t.Fatal(err)
		}
		out.Take()
	}
	for range 200 {
		run()
	}
	if got := testing.AllocsPerRun(100, run); got > 20 {
		t.Errorf("%v allocations for a batch of about %d events", got, len(in))
	}
}
