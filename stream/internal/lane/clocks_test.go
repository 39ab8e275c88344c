package lane

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// watch is a stage that passes everything on and writes down what it is told.
type watch struct {
	said  *[]string
	holds func(value string) bool // until the next Pull
}

func (w watch) Open(*stage.Lane) (stage.Processor[string, string], error) {
	return &watching{watch: w}, nil
}

type watching struct {
	watch
	pending []record.Event[string]
}

func (w *watching) Process(_ context.Context, in []record.Event[string], out *stage.Emitter[string]) error {
	for _, e := range in {
		if w.holds != nil && w.holds(e.Value) {
			out.Hold(e.Origin)
			w.pending = append(w.pending, e)
			continue
		}
		out.Emit(e)
	}
	return nil
}

func (w *watching) Pull(_ context.Context, out *stage.Emitter[string]) error {
	for _, e := range w.pending {
		out.Release(e.Origin)
		out.Emit(e)
	}
	w.pending = nil
	return nil
}

func (w *watching) Advance(_ context.Context, eventTime time.Time, _ *stage.Emitter[string]) error {
	if w.said != nil {
		*w.said = append(*w.said, eventTime.Format("15:04"))
	}
	return nil
}

func TestEventTimeIsThatOfTheSlowestPartition(t *testing.T) {
	var said []string
	l := newTestLane(t, map[record.Partition]driver.Progress{testParts[0]: {MaxEventTime: minute(0)}}, watch{said: &said})
	l.feed(0, "a", "b", "c")
	if len(said) != 0 {
		t.Errorf("told %v before every partition was heard of", said)
	}
	l.core.clocks.proved(testParts[1], minute(1), true, Rest{})
	l.feed(1, "d")
	l.feed(1, "e")
	l.feed(1, "f", "g", "h")
	end := &driver.Batch{Lane: "p/0", Ended: []driver.Ended{{Partition: testParts[0]}}}
	if err := l.try(end); err != nil {
		t.Fatal(err)
	}
	l.feed(1, "i")
	if err := l.try(&driver.Batch{Lane: "p/0", Ended: []driver.Ended{{Partition: testParts[1]}}}); err != nil {
		t.Fatal(err)
	}
	want := []string{"06:01", "06:02", "06:03", "06:05", "06:06", record.EndOfTime.Format("15:04")}
	if !slices.Equal(said, want) {
		t.Errorf("got %v, want %v", said, want)
	}
}

// A burst's last hour was sealed one commit later than need be: only a log that had given nothing for a whole round of upkeep
// was asked for its end.
func TestALaneThatFellSilentIsAskedForItsEndsAtOnce(t *testing.T) {
	l := newTestLane(t, nil)
	now := minute(30)
	l.core.At(now, time.Time{}, time.Time{})
	l.feed(0, "a")
	l.feed(1, "b")
	for _, c := range []struct {
		name  string
		after time.Duration
		want  int
	}{
		{"while it gives records", silence - time.Nanosecond, 0},
		{"one round later", silence - time.Nanosecond, 2},
	} {
		if got := l.core.Idle(now.Add(c.after)); len(got) != c.want {
			t.Errorf("%s: asked for %v, want %d partitions", c.name, got, c.want)
		}
	}
	l.feed(0, "c")
	if got := l.core.Idle(now.Add(silence)); len(got) != 2 {
		t.Errorf("asked for %v, want both partitions of a lane that gave nothing for %s", got, silence)
	}
	if got := l.core.Idle(minute(0)); len(got) != 0 {
		t.Errorf("asked for %v, but the clocks are not behind", got)
	}
}

func TestAnEndedPartitionWithChildrenStillBoundsEventTime(t *testing.T) {
	var said []string
	l := newTestLane(t, nil, watch{said: &said})
	l.feed(0, "a")
	l.feed(1, "b", "c")
	if err := l.try(&driver.Batch{Lane: "p/0", Ended: []driver.Ended{{Partition: testParts[0], Children: []record.Partition{{ID: "child"}}}}}); err != nil {
		t.Fatal(err)
	}
	l.feed(1, "d")
	if want := []string{"06:00", "06:01"}; !slices.Equal(slices.Compact(slices.Clone(said)), want) {
		t.Errorf("got %v, want %v: the children's records are still to come", said, want)
	}
}

// 20 of 421 events of a join came out: one was 50 minutes ahead, and the others waited for it to be passed.
func TestAStageIsToldTheTimeAgainBehindEachBatch(t *testing.T) {
	var said []string
	l := newTestLane(t, nil, watch{said: &said})
	l.feed(1, "a")
	l.feed(0, "b") // 06:01 is reached
	l.feed(0, "c")
	l.feed(0) // nothing came
	if want := []string{"06:00", "06:01", "06:01"}; !slices.Equal(said, want) {
		t.Errorf("told %v, want %v: once for each batch that brings something", said, want)
	}
	if err := l.core.Pull(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(said) != 4 {
		t.Errorf("told %v, want it again: it may have pulled something in", said)
	}
}

func TestUnusableEventTimesAreRejectedAndMoveNoClock(t *testing.T) {
	l := newTestLane(t, nil, &say{})
	l.core.clocks.limit = minute(100)
	b := &driver.Batch{Lane: "p/0"}
	for i, at := range []time.Time{
		{}, time.Unix(0, 0), time.Unix(86399, 0), time.Unix(-1, 0), minute(101), time.Date(2262, 4, 12, 0, 0, 0, 0, time.UTC), minute(4),
		time.Unix(0, math.MinInt64), time.UnixMicro(math.MinInt64), time.UnixMilli(math.MinInt64), // NaN, as conversions leave it
	} {
		b.Records = append(b.Records, record.Record{Partition: &testParts[0], Position: record.Position{Sub: int64(i + 1)}, Value: []byte("a"), Time: at})
	}
	if err := l.try(b); err != nil {
		t.Fatal(err)
	}
	if got, want := l.counts(), (record.Counts{record.Filtered: 1, record.Dead: 9}); got != want {
		t.Errorf("got fates %v, want %v", got, want)
	}
	for _, d := range l.txn.dead {
		if !errors.Is(d.Err, stage.ErrEventTime) {
			t.Errorf("dead because of %v, want %v", d.Err, stage.ErrEventTime)
		}
	}
	if got := l.core.parts.list[0].clock.MaxEventTime; !got.Equal(minute(4)) {
		t.Errorf("the clock is at %v, want %v", got, minute(4))
	}
}

func TestWithoutDecodeTheRecordsTimeCounts(t *testing.T) {
	c := open(t, NoStages(), begunParts(), driver.Txn[record.Record](nullTxn[record.Record]{}))
	b := &driver.Batch{Lane: "p/0", Records: []record.Record{rec(0, 1, "a"), {Partition: &testParts[0], Position: record.Position{Sub: 2}}}}
	if err := process(t.Context(), c, b); err != nil {
		t.Fatal(err)
	}
	if got, want := c.parts.list[0].counts, (record.Counts{record.Written: 1, record.Dead: 1}); got != want || !c.parts.list[0].clock.MaxEventTime.Equal(minute(1)) {
		t.Errorf("got fates %v and clock %v, want %v and %v", got, c.parts.list[0].clock.MaxEventTime, want, minute(1))
	}
}

// A record that a stage holds reaches the next one later. That one must not be told that its time has passed.
func TestALaterStageIsToldNoTimeBeyondWhatAnEarlierOneHolds(t *testing.T) {
	var first, second []string
	l := newTestLane(t, nil,
		watch{said: &first, holds: func(v string) bool { return v == "slow" }},
		watch{said: &second})
	l.at = [2]int64{0, 4}
	l.feed(1, "x") // at 06:05
	l.feed(0, "a", "b")
	l.feed(0, "slow") // 06:02 was reached
	l.feed(0, "c", "d")
	if want := []string{"06:00", "06:02", "06:03", "06:05"}; !slices.Equal(first, want) {
		t.Errorf("the stage that holds was told %v, want %v", first, want)
	}
	if want := []string{"06:00", "06:02"}; !slices.Equal(slices.Compact(slices.Clone(second)), want) {
		t.Errorf("the stage behind was told %v, want %v", second, want)
	}
	if err := l.core.Pull(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := []string{"06:00", "06:02", "06:05"}; !slices.Equal(slices.Compact(slices.Clone(second)), want) {
		t.Errorf("after the release the stage behind was told %v, want %v", second, want)
	}
}

// holdFirst holds records in front of Decode.
type holdFirst struct{}

func (holdFirst) Open(*stage.Lane) (stage.Processor[record.Record, record.Record], error) {
	return &holdingFirst{}, nil
}

type holdingFirst struct{ pending []record.Event[record.Record] }

func (h *holdingFirst) Process(_ context.Context, in []record.Event[record.Record], out *stage.Emitter[record.Record]) error {
	for _, e := range in {
		if strings.HasPrefix(string(e.Value.Value), "slow") {
			e.Value = e.Value.Clone()
			out.Hold(e.Origin)
			h.pending = append(h.pending, e)
			continue
		}
		out.Emit(e)
	}
	return nil
}

func (h *holdingFirst) Pull(_ context.Context, out *stage.Emitter[record.Record]) error {
	for _, e := range h.pending {
		out.Release(e.Origin)
		out.Emit(e)
	}
	h.pending = nil
	return nil
}

// The clock of a partition whose record waits in front of Decode would make that record late.
func TestARecordWithoutEventTimeHoldsTheClockBack(t *testing.T) {
	chain := Then(Then(NoStages(), stage.Stage[record.Record, record.Record](holdFirst{})), stage.Stage[record.Record, string](decode{}))
	c := open(t, chain, begunParts(), driver.Txn[string](nullTxn[string]{}))
	step := func(at int64, v string) driver.Progress {
		t.Helper()
		if err := process(t.Context(), c, pending(0, at, v)); err != nil {
			t.Fatal(err)
		}
		cut, ok, err := c.Cut()
		if err != nil || !ok {
			t.Fatalf("no progress after %q (%v)", v, err)
		}
		return cut.Partitions[testParts[0]]
	}
	step(1, "a")
	step(2, "slow")
	if g := step(5, "b"); !g.MaxEventTime.Equal(minute(1)) || g.Pending.Len() != 1 || !g.PendingTime.IsZero() {
		t.Errorf("while it waits: MaxEventTime %v, PendingTime %v, want %v and none", g.MaxEventTime, g.PendingTime, minute(1))
	}
	if err := c.Pull(t.Context()); err != nil {
		t.Fatal(err)
	}
	if cut, _, _ := c.Cut(); !cut.Partitions[testParts[0]].MaxEventTime.Equal(minute(5)) {
		t.Errorf("after it was decoded: MaxEventTime %v, want %v", cut.Partitions[testParts[0]].MaxEventTime, minute(5))
	}
}

func TestPendingTimesKnowTheOldest(t *testing.T) {
	h := &pendingTimes{n: map[int64]int32{}}
	for _, s := range []int64{5, 3, 9, 3, -2} {
		h.add(s*second + 1)
	}
	for _, step := range []struct{ remove, want int64 }{{3, -2}, {-2, 3}, {9, 3}, {3, 5}} {
		h.remove(step.remove*second + 999)
		if got, some := h.oldest(); !some || got != step.want {
			t.Errorf("after removing %d: oldest %d (%t), want %d", step.remove, got, some, step.want)
		}
	}
}

// A stage that holds a day of records once had all its seconds looked at for each that it let go, in the order of time.
func TestPendingTimesLookAtFewSeconds(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 2))
	h := &pendingTimes{n: map[int64]int32{}}
	var pending []int64
	for step := range 50_000 {
		if n := len(pending); n == 0 || n < 3000 && r.IntN(5) < 3 {
			s := int64(step/10 + r.IntN(10))
			h.add(s * second)
			pending = append(pending, s)
		} else {
			i := r.IntN(n)
			h.remove(pending[i] * second)
			pending[i] = pending[n-1]
			pending = pending[:n-1]
		}
		if step%97 != 0 || len(pending) == 0 {
			continue
		}
		if got, some := h.oldest(); !some || got != slices.Min(pending) {
			t.Fatalf("step %d: oldest %d (%t), want %d", step, got, some, slices.Min(pending))
		}
		if len(h.heap) > 3*len(h.n)+100 {
			t.Fatalf("step %d: %d places for %d seconds", step, len(h.heap), len(h.n))
		}
	}
}

// table is a stage whose state is all words of finished records.
type table struct {
	w     time.Duration
	words *[]string
}

func (s table) Open(*stage.Lane) (stage.Processor[string, string], error) { return s, nil }

func (s table) Process(_ context.Context, in []record.Event[string], out *stage.Emitter[string]) error {
	for _, e := range in {
		*s.words = append(*s.words, e.Value)
		out.Emit(e)
	}
	return nil
}

func (s table) Warmup() time.Duration { return s.w }

func (s table) Warm(_ context.Context, in []record.Event[string], out *stage.Emitter[string]) error {
	for _, e := range in {
		ref := out.Lookup(e.Origin)
		*s.words = append(*s.words, fmt.Sprintf("%s@%v", e.Value, ref.Position))
		out.Emit(e)
		out.Drop(e.Origin, record.Filtered, "ignored")
		out.Reject(e.Origin, errors.New("ignored"))
	}
	return nil
}

func TestWarmUpRecordsReachOnlyWhoWantsThem(t *testing.T) {
	var plain, first, second []string
	upper := does(func(e record.Event[string], out *stage.Emitter[string]) {
		plain = append(plain, e.Value)
		out.Emit(record.Derive(&e, strings.ToUpper(e.Value)))
	})
	behind := 0
	count := does(func(e record.Event[string], out *stage.Emitter[string]) { behind++; out.Emit(e) })
	at := map[record.Partition]driver.Progress{testParts[0]: {UpTo: record.Position{Sub: 3}, MaxEventTime: minute(3)}, testParts[1]: {MaxEventTime: minute(3)}}
	l := newTestLane(t, at, upper, table{time.Hour, &first}, table{0, &second}, count)
	if got := l.core.Warmup(); got != time.Hour {
		t.Errorf("the lane asks for %v of warm-up, want 1h", got)
	}
	if err := l.try(l.batch(0, "new")); !errors.Is(err, ErrSource) {
		t.Errorf("a new record before the warm-up: got %v, want %v", err, ErrSource)
	}
	l = newTestLane(t, at, upper, table{time.Hour, &first}, table{0, &second}, count)
	b := &driver.Batch{Lane: "p/0", Warm: true, WarmDone: true, Records: []record.Record{rec(0, 1, "a"), rec(0, 2, ""), rec(0, 3, "c")}}
	if err := l.try(b); err != nil {
		t.Fatal(err)
	}
	want := []string{"A@1", "C@3"}
	if !slices.Equal(first, want) || !slices.Equal(second, want) {
		t.Errorf("the stages were warmed up with %v and %v, want %v", first, second, want)
	}
	if behind != 0 || len(l.txn.rows)+len(l.txn.dead) != 0 || l.counts() != (record.Counts{}) || l.core.flight.slots.live != 0 {
		t.Errorf("warm-up left a trace: %d events behind, rows %v, fates %v", behind, l.txn.rows, l.counts())
	}
	if _, ok, _ := l.core.Cut(); ok {
		t.Error("warm-up alone makes a cut")
	}
	l.feed(0, "d")
	if !slices.Equal(l.txn.rows, []string{"D"}) {
		t.Errorf("got rows %v, want [D]", l.txn.rows)
	}
}

func TestAStageThatIsWarmedUpMustNotStandBehindAHolder(t *testing.T) {
	chain := Then(NoStages(), stage.Stage[record.Record, string](decode{}))
	chain = Then(Then(chain, stage.Stage[string, string](declared{watch{}})), stage.Stage[string, string](table{time.Hour, nil}))
	_, err := tryOpen(chain, begunParts(), driver.Txn[string](nullTxn[string]{}))
	if err == nil || !strings.Contains(err.Error(), "warm-up") {
		t.Errorf("got %v, want an error that tells the rule", err)
	}
	// One that does not declare it is caught when it holds.
	l := newTestLane(t, nil, watch{holds: func(string) bool { return true }}, table{time.Hour, new([]string)})
	err = l.try(&driver.Batch{Lane: "p/0", Warm: true, Records: []record.Record{rec(0, 1, "a")}})
	if err == nil || !strings.Contains(err.Error(), "warmed up") {
		t.Errorf("got %v, want an error that tells the rule", err)
	}
}

// declared is a stage that says that it holds.
type declared struct{ stage.Stage[string, string] }

func (declared) Traits() stage.Traits { return stage.Traits{Holds: true} }

func TestPastCanBeSwitchedOff(t *testing.T) {
	l := newTestLane(t, nil, &say{}) // as with -1: no oldest time
	at := time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC)
	b := &driver.Batch{Lane: "p/0", Records: []record.Record{{Partition: &testParts[0], Position: record.Position{Sub: 1}, Value: []byte("a"), Time: at}}}
	if err := l.try(b); err != nil {
		t.Fatal(err)
	}
	if got, want := l.counts(), (record.Counts{record.Filtered: 1}); got != want {
		t.Errorf("got fates %v, want %v", got, want)
	}
}

// The time of a broker in microseconds, year 57301, and of a file beyond the year 9999 once stopped a job for ever: no entry
// could hold it.
func TestARecordsOwnTimeThatNoLedgerHoldsIsTakenForNone(t *testing.T) {
	l := newTestLane(t, nil, &say{})
	l.core.clocks.decodes = true // event times come from elsewhere
	good := time.Date(2025, 5, 1, 0, 0, 0, 0, time.UTC)
	for i, at := range []time.Time{good, time.UnixMilli(good.UnixMicro()), time.Unix(math.MaxInt64, 0), time.Unix(math.MinInt64, 0), {}} {
		b := &driver.Batch{Lane: "p/0", Records: []record.Record{{Partition: &testParts[0], Position: record.Position{Sub: int64(i + 1)}, Value: []byte("a"), Time: at}}}
		if err := l.try(b); err != nil {
			t.Fatal(err)
		}
		if got := l.core.parts.list[0].arrived; !got.Equal(good) {
			t.Errorf("after a record of %v the last one arrived at %v, want %v", at, got, good)
		}
	}
	if l.core.clocks.oddTimes != 3 {
		t.Errorf("%d odd times are counted, want 3: none is not odd", l.core.clocks.oddTimes)
	}
}
