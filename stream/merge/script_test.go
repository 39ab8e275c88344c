package merge_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/merge"
	"github.com/onceflow/onceflow/stream/record"
)

// script is a side that delivers what a test gives it. It has one lane.
type script struct {
	part    record.Partition
	give    chan *driver.Batch
	sent    int64        // batches that were put
	taken   atomic.Int64 // of them, by Poll
	behind  atomic.Int64 // of them, by the Polls before the last one that began: these have come to the merge
	kept    bool
	started chan driver.Start
}

func newScript(source string) *script {
	s := &script{part: record.Partition{Source: source, ID: "0"}, give: make(chan *driver.Batch, 10), started: make(chan driver.Start, 10)}
	s.put(&driver.Batch{Assigned: []driver.Assignment{{Lane: "0", Partitions: []record.Partition{s.part}}}})
	return s
}

func (s *script) Info() driver.SourceInfo { return driver.SourceInfo{ID: "script"} }
func (s *script) Pause(string, bool)      {}
func (s *script) Close() error            { return nil }
func (s *script) Give([]string)           {}
func (s *script) KeepLanes()              { s.kept = true }
func (s *script) Partitions(context.Context) ([]record.Partition, error) {
	return []record.Partition{s.part}, nil
}

func (s *script) Start(_ context.Context, st driver.Start) error {
	s.started <- st
	return nil
}

func (s *script) put(b *driver.Batch) {
	s.sent++
	s.give <- b
}

func (s *script) Poll(ctx context.Context) (*driver.Batch, error) {
	s.behind.Store(s.taken.Load())
	select {
	case b := <-s.give:
		s.taken.Add(1)
		return b, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *script) AtEnd(context.Context, map[record.Partition]record.Position) ([]record.Partition, error) {
	return nil, errors.New("no route to host")
}

// records makes some, each a second behind the one before.
func (s *script) records(from, n int64) (list []record.Record) {
	for i := from; i < from+n; i++ {
		list = append(list, record.Record{Partition: &s.part, Position: record.Position{Sub: i}, Time: t0.Add(time.Duration(i) * time.Second), Value: fmt.Append(nil, i)})
	}
	return list
}

func (s *script) bad(at int64) driver.DeadLetter {
	return driver.DeadLetter{Record: record.Record{Partition: &s.part, Position: record.Position{Sub: at}, Value: []byte("bad")}, Err: errors.New("torn")}
}

// pair is a merge of two scripts, whose lane has begun.
func pair(t *testing.T, from driver.Progress, warmup time.Duration, o *merge.Options) (a, b *script, src *merge.Source) {
	t.Helper()
	a, b = newScript("x"), newScript("x")
	src = open(t, a, map[string]merge.Given{"b": b}, o)
	t.Cleanup(func() { _ = src.Close() })
	first, err := src.Poll(t.Context())
	if err != nil || len(first.Assigned) != 1 || first.Assigned[0].Lane != "a=0" || len(first.Assigned[0].Partitions) != 2 {
		t.Fatalf("got %+v, %v; want the lane of both", first, err)
	}
	st := driver.Start{Lane: "a=0", From: map[record.Partition]driver.Progress{}, Warmup: warmup}
	for _, p := range first.Assigned[0].Partitions {
		st.From[p] = from
	}
	if err := src.Start(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*script{a, b} {
		if st := <-s.started; st.Lane != "0" || len(st.From) != 1 || st.From[s.part].UpTo != from.UpTo {
			t.Fatalf("a side is started at %+v, want its own partition alone", st)
		}
	}
	return a, b, src
}

// drain takes what comes until nothing does; a side that has nothing holds the other, so nothing more can come.
func drain(t *testing.T, src *merge.Source, sides ...*script) (all []*driver.Batch) {
	t.Helper()
	for {
		waiting := slices.ContainsFunc(sides, func(s *script) bool { return s.behind.Load() < s.sent })
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		b, err := src.Poll(ctx)
		cancel()
		switch {
		case err == nil && b != nil:
			all = append(all, b)
		case !waiting:
			return all
		}
	}
}

// say writes down what batches say, in the order in which a lane takes it.
func say(all []*driver.Batch) (said []string) {
	for _, b := range all {
		for _, r := range b.Records {
			said = append(said, fmt.Sprint(r.Partition.Source[:1], r.Position))
		}
		for _, d := range b.Unreadable {
			said = append(said, fmt.Sprint(d.Record.Partition.Source[:1], d.Record.Position, " ", d.Err, " ", string(d.Record.Value)))
		}
		for _, p := range b.Passed {
			said = append(said, fmt.Sprint(p.Partition.Source[:1], " passed ", p.UpTo))
		}
		for _, m := range b.Marks {
			said = append(said, fmt.Sprint(m.Partition.Source[:1], " mark ", m.Text))
		}
		for _, e := range b.Ended {
			said = append(said, fmt.Sprint(e.Partition.Source[:1], " ended"))
		}
		if b.WarmDone {
			said = append(said, "warm")
		}
	}
	return said
}

func wantSaid(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

// A position that is passed too early is taken for consumed, and a mark for that of what comes later.
func TestWhatIsSaidBehindRecordsWaitsForThem(t *testing.T) {
	a, b, src := pair(t, driver.Progress{}, 0, nil)
	if !a.kept || b.kept {
		t.Error("the naming side is to keep its lanes, and no other")
	}
	a.put(&driver.Batch{
		Lane: "0", Records: a.records(1, 4), Passed: []driver.Passed{{Partition: a.part, UpTo: record.Position{Sub: 9}}},
		Marks: []driver.Mark{{Partition: a.part, At: record.Position{Sub: 2}, Text: "2"}, {Partition: a.part, At: record.Position{Sub: 4}, Text: "4"}},
	})
	a.put(&driver.Batch{Lane: "0", Passed: []driver.Passed{{Partition: a.part, UpTo: record.Position{Sub: 11}}}})
	b.put(&driver.Batch{Lane: "0", Records: b.records(2, 1)})
	wantSaid(t, "up to the other's clock", say(drain(t, src, a, b)), "a1", "a2", "b2", "a mark 2")
	b.put(&driver.Batch{Lane: "0", Passed: []driver.Passed{{Partition: b.part, UpTo: record.Position{Sub: 3}}}})
	wantSaid(t, "nothing is in front of it", say(drain(t, src, a, b)), "b passed 3")
	b.put(&driver.Batch{Lane: "0", Ended: []driver.Ended{{Partition: b.part}}})
	wantSaid(t, "the other has ended", say(drain(t, src, a, b)), "a3", "a4", "a passed 9", "a passed 11", "a mark 4", "b ended")
}

// An unreadable record has no time, and keeps its place among those of its partition.
func TestUnreadableRecordsKeepTheirPlace(t *testing.T) {
	a, b, src := pair(t, driver.Progress{}, 0, nil)
	a.put(&driver.Batch{Lane: "0", Records: slices.Concat(a.records(2, 1), a.records(4, 1)), Unreadable: []driver.DeadLetter{a.bad(5), a.bad(1), a.bad(3)}})
	wantSaid(t, "at once", say(drain(t, src, a, b)), "a1 torn bad")
	b.put(&driver.Batch{Lane: "0", Records: b.records(3, 1)})
	wantSaid(t, "behind the record before it", say(drain(t, src, a, b)), "a2", "b3", "a3 torn bad")
	b.put(&driver.Batch{Lane: "0", Ended: []driver.Ended{{Partition: b.part}}})
	wantSaid(t, "the rest", say(drain(t, src, a, b)), "a4", "a5 torn bad", "b ended")
}

// Rule 2.3 of the protocol: all pending records of all partitions of a lane come before any new one, and warm-ups before them.
func TestWarmUpsAndPendingRecordsOfAllSidesComeFirst(t *testing.T) {
	pending := driver.PendingSet{First: record.Position{Sub: 2}, Ordinals: []uint32{0, 1}, Through: 3}
	a, b, src := pair(t, driver.Progress{UpTo: record.Position{Sub: 4}, Pending: pending}, time.Hour, nil)
	warm := func(s *script, done bool) *driver.Batch {
		return &driver.Batch{Lane: "0", Records: s.records(1, 1), Warm: true, WarmDone: done}
	}
	a.put(warm(a, true))
	a.put(&driver.Batch{Lane: "0", Records: a.records(2, 2)}) // pending
	a.put(&driver.Batch{Lane: "0", Records: a.records(5, 2)})
	wantSaid(t, "the warm-up of one", say(drain(t, src, a, b)), "a1")
	b.put(warm(b, false))
	wantSaid(t, "and some of the other's", say(drain(t, src, a, b)), "b1")
	b.put(&driver.Batch{Lane: "0", Warm: true, WarmDone: true})
	wantSaid(t, "all of it", say(drain(t, src, a, b)), "warm", "a2", "a3")
	b.put(&driver.Batch{Lane: "0", Records: b.records(2, 1)})
	wantSaid(t, "one is not back", say(drain(t, src, a, b)), "b2")
	b.put(&driver.Batch{Lane: "0", Unreadable: []driver.DeadLetter{b.bad(3)}})
	b.put(&driver.Batch{Lane: "0", Records: b.records(5, 2)})
	wantSaid(t, "all are", say(drain(t, src, a, b)), "b3 torn bad", "a5", "b5", "b6")
}

// No patience lets a new record go before a pending one of a side that is away.
func TestPendingRecordsOfAllSidesComeBeforeNewOnesWhateverThePatience(t *testing.T) {
	pending := driver.PendingSet{First: record.Position{Sub: 4}, Ordinals: []uint32{0}, Through: 1}
	a, b, src := pair(t, driver.Progress{UpTo: record.Position{Sub: 4}, Pending: pending}, 0, &merge.Options{Patience: 1})
	a.put(&driver.Batch{Lane: "0", Records: a.records(4, 3)})
	wantSaid(t, "the other has one that is not back", say(drain(t, src, a, b)), "a4")
	b.put(&driver.Batch{Lane: "0", Records: b.records(4, 1)})
	wantSaid(t, "all are back", say(drain(t, src, a, b)), "b4", "a5", "a6")
}

// Who asks Health must learn why a side is not known to have ended.
func TestHealthSaysWhyAnEndIsNotProved(t *testing.T) {
	a, b := newScript("x"), newScript("x")
	src := open(t, a, map[string]merge.Given{"b": b}, &merge.Options{Stall: 1})
	t.Cleanup(func() { _ = src.Close() })
	first, err := src.Poll(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	st := driver.Start{Lane: "a=0", From: map[record.Partition]driver.Progress{}}
	for _, p := range first.Assigned[0].Partitions {
		st.From[p] = driver.Progress{}
	}
	if err := src.Start(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	a.put(&driver.Batch{Lane: "0", Records: a.records(1, 1)})
	for src.Health().Stalled == nil || !errorSays(src.Health().Stalled, "no route to host") {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if b, err := src.Poll(ctx); err == nil && b != nil {
			t.Fatalf("got %+v, want nothing", b)
		}
		cancel()
	}
}
