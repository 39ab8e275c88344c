package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// memTxn keeps what it is given. Words decide the fate of a row: "late…", "bad…" and "none…".
type memTxn struct {
	nullTxn[string]
	rows []string
	dead []driver.DeadLetter
}

func (t *memTxn) Write(_ context.Context, _ driver.Writer, rows []record.Event[string], fates []record.Fate) (bad []driver.BadRow, err error) {
	for i := range rows {
		switch v := rows[i].Value; {
		case strings.HasPrefix(v, "late"):
			fates[i] = record.Late
		case strings.HasPrefix(v, "none"):
			fates[i] = record.Filtered
		case strings.HasPrefix(v, "bad"):
			fates[i] = record.Dead
			bad = append(bad, driver.BadRow{Index: i, Err: errors.New("cannot be written")})
		default:
			fates[i] = record.Written
			t.rows = append(t.rows, v)
		}
	}
	return bad, nil
}

func (t *memTxn) Reject(_ context.Context, _ driver.Writer, dead []driver.DeadLetter) error {
	t.dead = append(t.dead, dead...)
	return nil
}

// say is a stage that does what the words of a record tell it: "a:hold b:emit", as "name:verb[=argument]" with the name
// of any live record, each of which is named after its value's first letter.
type say struct {
	origins map[string]record.Event[string]
}

func (s *say) Open(*stage.Lane) (stage.Processor[string, string], error) {
	s.origins = map[string]record.Event[string]{}
	return s, nil
}

func (s *say) Process(_ context.Context, in []record.Event[string], out *stage.Emitter[string]) error {
	for _, e := range in {
		name, orders, _ := strings.Cut(e.Value, " ")
		s.origins[name] = e
		for _, order := range strings.Fields(orders) {
			who, verb, _ := strings.Cut(order, ":")
			verb, arg, _ := strings.Cut(verb, "=")
			o := s.origins[who]
			switch verb {
			case "hold":
				out.Hold(o.Origin)
			case "release":
				out.Release(o.Origin)
			case "emit":
				out.Emit(record.Derive(&o, arg))
			case "merge":
				out.Merge(s.origins[arg].Origin, o.Origin)
			case "drop":
				out.Drop(o.Origin, record.Duplicate, arg)
			case "reject":
				out.Reject(o.Origin, errors.New(arg))
			case "fail":
				return errors.New(arg)
			}
		}
	}
	return nil
}

// testLane is a lane of "p/0" and "p/1" whose pipe is decode and the given stages.
type testLane struct {
	t    *testing.T
	core *laneCore
	txn  *memTxn
	at   [2]int64
}

var testParts = []record.Partition{{Source: "p", ID: "0"}, {Source: "p", ID: "1"}}

// newTestLane opens a lane. If it begins at nothing its clocks are at minute 0, which a job would have confirmed.
func newTestLane(t *testing.T, from map[record.Partition]driver.Progress, stages ...stage.Stage[string, string]) *testLane {
	t.Helper()
	p := Via(From(nil), Decode(func(r *record.Record) (string, error) {
		if len(r.Value) == 0 {
			return "", errors.New("empty")
		}
		return string(r.Value), nil
	}, nil))
	for _, s := range stages {
		p = Via(p, s)
	}
	if from == nil {
		from = begunParts()
	}
	lane := stage.Lane{Name: "p/0", Partitions: testParts, Now: func() time.Time { return benchStart }, Wake: func() {}}
	c, r, err := openLane(&p, lane, from, newScratch(len(p.stages)))
	if err != nil {
		t.Fatal(err)
	}
	l := &testLane{t: t, core: c, txn: &memTxn{}}
	var open driver.Txn[string] = l.txn
	r.open = &open
	for i, id := range testParts {
		l.at[i] = from[id].UpTo.Sub
	}
	return l
}

func begunParts() map[record.Partition]driver.Progress {
	return map[record.Partition]driver.Progress{testParts[0]: {Seen: minute(0)}, testParts[1]: {Seen: minute(0)}}
}

// minute is an event time.
func minute(m int64) time.Time { return benchStart.Add(time.Duration(m) * time.Minute) }

// batch makes new records of partition i, each a minute after the one before.
func (l *testLane) batch(i int, values ...string) *driver.Batch {
	b := &driver.Batch{Lane: "p/0"}
	for _, v := range values {
		l.at[i]++
		b.Records = append(b.Records, rec(i, l.at[i], v))
	}
	return b
}

func rec(part int, at int64, value string) record.Record {
	return record.Record{Partition: &testParts[part], Position: record.Position{Sub: at}, Value: []byte(value), Time: minute(at)}
}

func (l *testLane) try(b *driver.Batch) error { return l.core.process(l.t.Context(), b) }

func (l *testLane) feed(i int, values ...string) {
	l.t.Helper()
	if err := l.try(l.batch(i, values...)); err != nil {
		l.t.Fatal(err)
	}
}

// cut returns the lane's progress; a lane without any fails the test.
func (l *testLane) cut() laneCut {
	l.t.Helper()
	c, ok, err := l.core.cut()
	if err != nil || !ok {
		l.t.Fatalf("cut: %v, %v", ok, err)
	}
	return c
}

func (l *testLane) counts() (c record.Counts) {
	for i := range l.core.parts {
		c.Add(l.core.parts[i].counts)
	}
	return c
}

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
		t.Errorf("while b is held: got fates %v and rows %v, want only a2 to be finished", got, l.txn.rows)
	}
	l.feed(0, "b2 b:release")
	want := record.Counts{record.Written: 2, record.Merged: 1, record.Filtered: 2}
	if got := l.counts(); got != want {
		t.Errorf("got fates %v, want %v", got, want)
	}
	if slices.Sort(l.txn.rows); !slices.Equal(l.txn.rows, []string{"A", "C"}) {
		t.Errorf("got rows %v, want A and C", l.txn.rows)
	}
	if n := l.core.slots.live; n != 0 {
		t.Errorf("%d records are left, want 0", n)
	}
}

func TestRowsOfAHeldRecordWait(t *testing.T) {
	l := newTestLane(t, nil, &say{})
	l.feed(0, "a a:hold a:hold a:emit=1 a:emit=2", "b b:emit=3")
	l.feed(0, "c a:release a:emit=4")
	if !slices.Equal(l.txn.rows, []string{"3"}) {
		t.Errorf("while a is held: got rows %v, want [3]", l.txn.rows)
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
		var stage *StageError
		if !errors.As(err, &stage) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got error %v, want a StageError that says %q", orders, err, want)
			continue
		}
		if stage.Lane != "p/0" || *stage.Partition != testParts[0] || stage.First.Sub != 2 {
			t.Errorf("%q: got %+v, want the lane and the batch's first record", orders, stage)
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
		l.core.keep = keep
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
		if len(l.core.kept) != 0 {
			t.Errorf("%d records are kept for ever", len(l.core.kept))
		}
	}
}

func TestLabelsAreBounded(t *testing.T) {
	l := newTestLane(t, nil, &say{})
	for i := range 3 * moreReasons {
		l.feed(0, fmt.Sprintf("a a:drop=why%d", i))
	}
	got := l.cut().reasons
	other := got[record.Reason{Fate: record.Duplicate, Why: "other"}]
	if len(got) > moreReasons+1 || got[record.Reason{Fate: record.Duplicate, Why: "why0"}] != 1 || other != 2*moreReasons {
		t.Errorf("got %d reasons with %d other, want at most %d", len(got), other, moreReasons+1)
	}
}

// What a rejected record yielded before must not reach the next stage: it could claim an ID or wait for a partner there.
func TestTheNextStageDoesNotSeeWhatWasTakenBack(t *testing.T) {
	var seen []string
	split := FlatMap(func(s *string, yield func(string)) error {
		for _, w := range strings.Fields(*s) {
			if w == "bad" {
				return errors.New("bad word")
			}
			yield(w)
		}
		return nil
	})
	l := newTestLane(t, nil, split, Map(func(s *string) (string, error) { seen = append(seen, *s); return *s, nil }))
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
		done, err := l.core.slice(t.Context(), b)
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
