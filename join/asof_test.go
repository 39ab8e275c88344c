package join_test

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/dedup"
	"github.com/onceflow/onceflow/join"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
	"github.com/onceflow/onceflow/stream/streamtest"
)

func asOf(o *join.Options) stage.Stage[event, event] {
	return join.AsOf((*event).key, (*event).isLeft, (*event).merge, o)
}

// newest is the oracle of the as-of join: each left event looks at all events.
func newest(in []fed, o *join.Options) (rows []string, rights int) {
	for _, l := range in {
		if !l.Left {
			rights++
			continue
		}
		best := -1
		for i, r := range in {
			if r.Left || r.Key != l.Key || r.At.After(l.At) || l.At.Sub(r.At) > o.Window {
				continue
			}
			if best < 0 || cmp.Or(r.At.Compare(in[best].At), cmp.Compare(r.partition, in[best].partition), cmp.Compare(i, best)) > 0 {
				best = i
			}
		}
		mate := 0
		if best >= 0 {
			mate = in[best].ID
		}
		rows = append(rows, fmt.Sprintf("%d+%d", l.ID, mate))
	}
	slices.Sort(rows)
	return rows, rights
}

// visits draws views and pings of few keys, many of them at one time.
func visits(r *rand.Rand, o *join.Options) []fed {
	n, parts, keys := 1+r.IntN(30), 1+r.IntN(3), 1+r.IntN(3)
	step := time.Duration(1+r.IntN(5)) * time.Second
	span := 1 + r.Int64N(4*int64(o.Window)/int64(step))
	hour := time.Date(2025, 5, 1, 7, 0, 0, 0, time.UTC) // events lie on both sides of an hour's border
	var all []fed
	for range n {
		at := hour.Add(time.Duration(r.Int64N(span)-span/2) * step)
		all = append(all, fed{event{Key: fmt.Sprint("k", r.IntN(keys)), Left: r.IntN(5) > 1, At: at}, r.IntN(parts)})
	}
	slices.SortFunc(all, func(a, b fed) int { return a.At.Compare(b.At) })
	for i := range all {
		all[i].ID = i + 1
	}
	return disorder(r, all, parts, o.Grace)
}

// ahead is how far the clock of a partition may be, at most limit, if all of rest is still to come to it within grace. It is
// farther than what was read says: other events move a clock, too.
func ahead(rest []fed, partition int, grace time.Duration, limit time.Time) time.Time {
	for _, e := range rest {
		if e.partition == partition && e.At.Add(grace).Before(limit) {
			limit = e.At.Add(grace)
		}
	}
	return limit
}

// driveToTheLimit feeds the events with crashes, fences and commits in between. Event time runs as far ahead as grace allows.
func driveToTheLimit(t *testing.T, r *rand.Rand, s stage.Stage[event, event], in []fed, grace time.Duration) *streamtest.Lane[event, event] {
	l := streamtest.Open(t, s)
	var reached time.Time
	for i, e := range in {
		l.Partition(e.partition).Feed(e.At, e.event)
		if r.IntN(3) > 0 {
			limit := in[0].At.Add(time.Hour)
			for p := range streamtest.Partitions {
				limit = ahead(in[i+1:], p, grace, limit)
			}
			if r.IntN(2) == 0 {
				limit = limit.Add(-time.Duration(r.Int64N(int64(20 * time.Second))))
			}
			if limit.After(reached) {
				reached = limit
				l.Advance(reached)
			}
		}
		switch r.IntN(8) {
		case 0:
			l.Commit()
			l.CrashShuffled(r.Uint64())
		case 1:
			l.Commit()
		case 2:
			if l.Fence(); !reached.IsZero() { // what was read again is read
				l.Advance(reached)
			}
		}
	}
	l.Advance(record.EndOfTime)
	return l
}

func checkAsOf(t *testing.T, seed uint64, o *join.Options, in []fed, l *streamtest.Lane[event, event]) {
	t.Helper()
	want, rights := newest(in, o)
	if got := rows(l); !slices.Equal(got, want) {
		t.Fatalf("seed %d, %+v:\n in  %v\n got  %v\n want %v", seed, *o, in, got, want)
	}
	if got := l.Reasons(); got["right"] != rights || len(got) > 2 || got["late right"] != 0 {
		t.Fatalf("seed %d: reasons %v, want %d right events, none late", seed, got, rights)
	}
	if l.Pending() != 0 {
		t.Fatalf("seed %d: %d records are still pending", seed, l.Pending())
	}
	l.Close()
}

func asOfOptions(r *rand.Rand) *join.Options {
	o := options(r)
	o.Early = 0
	return o
}

func TestAsOfEqualsTheOracleInAnyOrderOfArrival(t *testing.T) {
	for seed := range inputs() {
		r := rand.New(rand.NewPCG(seed, 11))
		o := asOfOptions(r)
		in := visits(r, o)
		checkAsOf(t, seed, o, in, driveToTheLimit(t, r, asOf(given(o, false)), in, o.Grace))
	}
}

// Copies are events like others where no dedup stands in front: left ones have a row each.
func TestAsOfEqualsTheOracleWithCopies(t *testing.T) {
	for seed := range inputs() / 4 {
		r := rand.New(rand.NewPCG(seed, 12))
		o := asOfOptions(r)
		in := visits(r, o)
		var twice []fed // copies in the same partition, so that they are no later than the disorder allows
		for _, e := range in {
			twice = append(twice, e)
			if r.IntN(3) == 0 {
				twice = append(twice, e)
			}
		}
		checkAsOf(t, seed, o, twice, driveToTheLimit(t, r, asOf(given(o, false)), twice, o.Grace))

		s := stream.Compose(dedup.ByID(dedup.NewMemory(nil), (*event).eventID, nil), asOf(given(o, false)))
		l := driveToTheLimit(t, r, s, twice, o.Grace)
		checkAsOf(t, seed, o, in, l)
		if got, want := l.Fates()[record.Duplicate], int64(len(twice)-len(in)); got != want {
			t.Fatalf("seed %d: %d duplicates, want %d", seed, got, want)
		}
	}
}

func TestOneRightEventServesManyWithinTheWindow(t *testing.T) {
	l := streamtest.Open(t, asOf(nil))
	l.Feed(t0, beat(1, "a"))
	l.Feed(t0, beat(2, "b"))
	for i, gap := range []time.Duration{-1, 0, time.Second, 90 * time.Second, 90*time.Second + 1} {
		l.Feed(t0.Add(gap), load(3+i, "a"))
	}
	if len(l.Out) != 0 {
		t.Fatalf("%v left at once: a newer right event may come within grace", l.Out)
	}
	l.Advance(t0.Add(10 * time.Second))
	if got := rows(l); !slices.Equal(got, []string{"3+0"}) {
		t.Errorf("at its time and grace: got %v, want load 3 alone", got)
	}
	l.Advance(record.EndOfTime)
	if got, want := rows(l), []string{"3+0", "4+1", "5+1", "6+1", "7+0"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if want := (record.Counts{record.Written: 5, record.Filtered: 2}); l.Fates() != want {
		t.Errorf("fates %v, want %v", l.Fates(), want)
	}
}

func TestTheLastOfRightEventsOfOneTimeCounts(t *testing.T) {
	for seed := range uint64(30) {
		l := streamtest.Open(t, asOf(nil))
		l.Partition(1).Feed(t0, beat(1, "a"))
		l.Partition(0).Feed(t0, beat(2, "a")) // it comes later, from an earlier partition
		l.Partition(1).Feed(t0, beat(3, "a"))
		l.Partition(0).Feed(t0, beat(4, "a"))
		l.Partition(0).Feed(t0, load(5, "a"))
		l.CrashShuffled(seed)
		l.Advance(record.EndOfTime)
		if got := rows(l); !slices.Equal(got, []string{"5+3"}) {
			t.Fatalf("got %v, want load 5 with event 3, the last one of the last partition", got)
		}
	}
}

func TestLateRightEventsAreCounted(t *testing.T) {
	l := streamtest.Open(t, asOf(nil))
	l.Feed(t0, load(1, "a"))
	l.Advance(t0.Add(11 * time.Second))
	l.Feed(t0.Add(2*time.Second), load(2, "a"))
	l.Feed(t0.Add(time.Second), beat(3, "a")) // at grace: in time
	l.Feed(t0, beat(4, "a"))                  // load 1 has left
	l.Feed(t0.Add(-time.Hour), beat(5, "a"))  // it can serve nobody
	l.Advance(record.EndOfTime)
	if got, want := rows(l), []string{"1+0", "2+3"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if r := l.Reasons(); r["right"] != 1 || r["late right"] != 2 {
		t.Errorf("reasons %v, want one right event and two late ones", r)
	}
}

// A late left event leaves as soon as it was read, with what is there.
func TestLateLeftEventsLeaveAtOnce(t *testing.T) {
	l := streamtest.Open(t, asOf(nil))
	l.Feed(t0, beat(1, "a"))
	l.Advance(t0.Add(time.Minute))
	if got := l.Feed(t0.Add(time.Second), load(2, "a")); len(got) != 1 || got[0].Mate != 1 {
		t.Errorf("got %v, want load 2 with event 1", got)
	}
	if got := l.Feed(t0.Add(-time.Second), load(3, "a")); len(got) != 1 || got[0].Mate != 0 {
		t.Errorf("got %v, want load 3 alone", got)
	}
}

// A price a second for a key that is asked for once a day must not keep a day of prices.
func TestAsOfKeepsOneOldRightEventOfEachKey(t *testing.T) {
	o := &join.Options{Window: 24 * time.Hour, MaxPending: 30}
	l := streamtest.Open(t, asOf(o))
	const n = 5000
	for i := range n {
		at := t0.Add(time.Duration(i) * time.Second)
		l.Feed(at, beat(i+1, "a"))
		l.Advance(at) // MaxPending would end it
	}
	l.CrashShuffled(1)
	l.Feed(t0.Add(n*time.Second+23*time.Hour), load(n+1, "a"))
	if got := l.Advance(record.EndOfTime); len(got) != 1 || got[0].Mate != n {
		t.Errorf("got %v, want the last event", got)
	}
}

// Keys that never come again take memory for window and grace, no longer.
func TestRightEventsOfKeysThatAreNeverSeenAgainAreForgotten(t *testing.T) {
	p, err := asOf(&join.Options{MaxPending: 150}).Open(&stage.Lane{})
	if err != nil {
		t.Fatal(err)
	}
	out := stage.NewEmitter[event](heavy{})
	kept := p.(stage.Keeper)
	for i := range 2000 {
		at := t0.Add(time.Duration(i) * time.Second)
		e := record.Event[event]{Value: beat(i+1, fmt.Sprint("k", i)), Time: at, Origin: record.NewOrigin(uint32(i + 1))}
		if err := p.Process(t.Context(), []record.Event[event]{e}, out); err != nil {
			t.Fatal(err)
		}
		if err := p.(stage.Advancer[event]).Advance(t.Context(), at, out); err != nil {
			t.Fatal(err)
		}
		out.Take()
		if most := min(int64(i+1), 101) * 1000; kept.Kept() != most {
			t.Fatalf("after %d s it says that it keeps %d bytes, want %d", i, kept.Kept(), most)
		}
	}
	if err := p.(stage.Advancer[event]).Advance(t.Context(), record.EndOfTime, out); err != nil || kept.Kept() != 0 {
		t.Errorf("it keeps %d bytes at the end, %v", kept.Kept(), err)
	}
}

// heavy is a host whose records have 1000 bytes.
type heavy struct{ stage.LookupFunc }

func (heavy) Lookup(o record.Origin) record.Ref {
	n, _ := o.Parts()
	return record.Ref{Partition: &record.Partition{ID: "0"}, Position: record.Position{Sub: int64(n)}}
}
func (heavy) Size(record.Origin) int64 { return 1000 }

func TestTooManyRightEventsStopTheJob(t *testing.T) {
	p, err := asOf(&join.Options{MaxPending: 3}).Open(&stage.Lane{Name: "t/0"})
	if err != nil {
		t.Fatal(err)
	}
	var out stage.Emitter[event]
	var in []record.Event[event]
	for i := range 4 {
		in = append(in, record.Event[event]{Value: event{Key: fmt.Sprint("k", i), Left: i == 0}, Time: t0, Origin: record.NewOrigin(uint32(i + 1))})
	}
	var pending *join.PendingError
	if err := p.Process(t.Context(), in, &out); !errors.As(err, &pending) || pending.Pending != 4 || pending.Lane != "t/0" {
		t.Errorf("got %v, want a PendingError that counts both sides", err)
	}
}

func TestAsOfRefusesToKeepRightEvents(t *testing.T) {
	for o, want := range map[*join.Options]string{
		{KeepRight: true}: "after a crash", {Early: time.Second}: "no Early", {}: "", {Early: -1, Settled: true}: "",
	} {
		err := stage.TraitsOf(asOf(o)).Err
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want %q", *o, err, want)
		}
	}
}

// A left event that makes merge panic is a dead letter; the right one serves others.
func TestAMergeThatPanicsSpoilsNoRightEvent(t *testing.T) {
	l := streamtest.Open(t, join.AsOf((*event).key, (*event).isLeft, func(l, r *event) {
		l.Mate, r.ID = r.ID, 99 // a merge that breaks the rule harms nobody else
		if l.ID == 2 {
			panic("odd")
		}
	}, nil))
	l.Feed(t0, beat(1, "a"))
	for i := range 3 {
		l.Feed(t0, load(2+i, "a"))
	}
	l.Advance(record.EndOfTime)
	if got := rows(l); !slices.Equal(got, []string{"3+1", "4+1"}) || len(l.Rejected()) != 1 {
		t.Errorf("got %v and dead letters %v, want loads 3 and 4 with event 1, and one dead letter", got, l.Rejected())
	}
}

// Pings get their view, then the campaign of that view's key: what takes no part in the first join comes back in a warm-up
// of the second.
func TestTwoAsOfJoinsInARow(t *testing.T) {
	campaign := func(e *event) string { return strings.TrimLeft(e.Key, "ab") }
	view := func(e *event) string {
		if strings.HasPrefix(e.Key, "k") { // a campaign
			return ""
		}
		return e.Key
	}
	s := stream.Compose(join.AsOf(view, (*event).isLeft, (*event).merge, nil),
		join.AsOf(campaign, (*event).isLeft, func(l, r *event) { l.Mate = 100*l.Mate + r.ID }, nil))
	l := streamtest.Open(t, s)
	l.Feed(t0, beat(7, "k"))
	l.Feed(t0, beat(1, "ak"))
	l.Feed(t0, beat(2, "bk"))
	l.Feed(t0.Add(time.Second), load(3, "ak"))
	l.CrashShuffled(1)
	l.Feed(t0.Add(time.Second), load(4, "bk"))
	l.Advance(record.EndOfTime)
	if got := rows(l); !slices.Equal(got, []string{"3+107", "4+207"}) {
		t.Errorf("got %v, want both loads with their event and campaign 7", got)
	}
}
