package sink_test

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// wideSource gives a record of each of its first touched lanes, then waits for the commit, and so on for some rounds.
type wideSource struct {
	lanes   []driver.Assignment
	touched int
	rounds  int
	asked   bool
	next    int // record of the round
	at      int64
	commits chan struct{}
	began   func() // called before each round but the first
}

func newWideSource(lanes, touched, rounds int, name func(i int) string) *wideSource {
	s := &wideSource{touched: touched, rounds: rounds, commits: make(chan struct{}, rounds+1), at: 1}
	for i := range lanes {
		a := driver.Assignment{Lane: name(i), Partitions: []record.Partition{{Source: "cluster/topic", Epoch: "dGhlIHRvcGljJ3MgSUQu", ID: fmt.Sprint(i)}}}
		s.lanes = append(s.lanes, a)
	}
	return s
}

func (s *wideSource) Info() driver.SourceInfo { return driver.SourceInfo{ID: "wide", Topics: topics} }

func (s *wideSource) Poll(ctx context.Context) (*driver.Batch, error) {
	if !s.asked {
		s.asked = true
		return &driver.Batch{Assigned: s.lanes}, nil
	}
	if s.next == s.touched {
		select {
		case <-s.commits:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		s.next, s.rounds, s.at = 0, s.rounds-1, s.at+1
	}
	if s.rounds == 0 {
		return nil, io.EOF
	}
	if s.at > 1 && s.next == 0 && s.began != nil {
		s.began()
	}
	a := &s.lanes[s.next]
	s.next++
	at := noon.Add(time.Duration(s.at) * time.Minute)
	return &driver.Batch{Lane: a.Lane, Records: []record.Record{
		{Partition: &a.Partitions[0], Position: record.Position{Sub: s.at}, Time: at, Value: []byte("a value")},
	}}, nil
}

func (s *wideSource) Start(_ context.Context, st driver.Start) error {
	for _, p := range st.From {
		s.at = max(s.at, p.UpTo.Sub+1)
	}
	return nil
}

func (*wideSource) Pause(string, bool) {}
func (*wideSource) Close() error       { return nil }
func (*wideSource) AtEnd(context.Context, map[record.Partition]record.Position) ([]record.Partition, error) {
	return nil, nil
}

func (s *wideSource) Partitions(context.Context) ([]record.Partition, error) {
	var all []record.Partition
	for _, a := range s.lanes {
		all = append(all, a.Partitions...)
	}
	return all, nil
}

const wideRow = `{"id":1}` + "\n"

// run commits all rounds of the source.
func (s *wideSource) run(tb testing.TB, store sink.Store) {
	tb.Helper()
	out, err := sink.Open(tb.Context(), store, "job", []sink.Flow[row]{rowsFlow("rows")}, nil)
	if err != nil {
		tb.Fatal(err)
	}
	out.Seal(quarter)
	pipe := stream.Via(stream.From(s), stream.Map(func(*record.Record) (row, error) { return row{ID: 1}, nil }))
	commits := int64(0)
	observe := func(st stream.Status) {
		for ; commits < st.Commits; commits++ {
			s.commits <- struct{}{}
		}
	}
	err = stream.Run(tb.Context(), pipe, out, &stream.Options{
		Parallel: 2, CommitEvery: time.Hour, CommitBytes: int64(s.touched * len(wideRow)), Observe: observe,
	})
	if err != nil {
		tb.Fatal(err)
	}
}

func plain(i int) string { return fmt.Sprint(i) }

// BenchmarkCommitOfManyLanes is a commit of a process that holds 10,000 partitions, by the engine, the sink and a store in
// memory: all that it takes from the first record to the next.
func BenchmarkCommitOfManyLanes(b *testing.B) {
	for _, touched := range []int{10_000, 10} {
		b.Run(fmt.Sprintf("touched=%d", touched), func(b *testing.B) {
			store, clock := memory(noon)
			clock.t = noon.Add(9 * time.Hour)
			s := newWideSource(10_000, touched, b.N+1, plain)
			first := true
			s.began = func() {
				if first {
					b.ResetTimer()
				}
				first = false
			}
			b.ReportAllocs()
			s.run(b, blackHole{store})
		})
	}
}

// A commit of 16,000 lanes once took 53 seconds, since it looked at each lane for each lane. Time is not asserted here, but
// memory and requests: with four times as many lanes, all of which move to lanes of other names, they may not grow by far
// more than that.
func TestCommitsOfManyLanesGrowWithTheirNumber(t *testing.T) {
	measure := func(lanes int) (bytes uint64, calls int) {
		store, clock := memory(noon)
		clock.t = noon.Add(9 * time.Hour)
		newWideSource(lanes, lanes, 1, plain).run(t, store)
		moved := newWideSource(lanes, lanes, 1, func(i int) string { return fmt.Sprint("moved/", i) })
		for i := range moved.lanes {
			moved.lanes[i].Moved = true
		}
		counted := sinktest.NewFaulty(store, nil)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		moved.run(t, counted)
		runtime.ReadMemStats(&after)
		s, err := sink.Inspect(t.Context(), store, "job", nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Partitions) != lanes || s.Read != int64(2*lanes) {
			t.Errorf("%d partitions with %d records, want %d with %d", len(s.Partitions), s.Read, lanes, 2*lanes)
		}
		for _, p := range s.Partitions {
			if !strings.HasPrefix(p.Lane, "moved/") {
				t.Fatalf("a partition is in lane %q still", p.Lane)
			}
		}
		return after.TotalAlloc - before.TotalAlloc, counted.Calls()
	}
	few, fewCalls := measure(500)
	many, manyCalls := measure(2000)
	if many > 8*few {
		t.Errorf("%d bytes for 500 lanes and %d for 2,000", few, many)
	}
	if manyCalls > 2*fewCalls {
		t.Errorf("%d requests for 500 lanes and %d for 2,000", fewCalls, manyCalls)
	}
}
