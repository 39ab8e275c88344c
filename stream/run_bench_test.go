package stream

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// nullOutput keeps nothing.
type nullOutput struct{}

func (nullOutput) Attach(context.Context, driver.Job) error { return nil }
func (nullOutput) Acquire(context.Context, []driver.Assignment) (map[record.Partition]driver.Progress, error) {
	return map[record.Partition]driver.Progress{}, nil
}
func (nullOutput) Release(context.Context, []string) error { return nil }
func (nullOutput) Begin(driver.Txn[hit]) driver.Txn[hit]   { return &nullTxn[hit]{} }
func (nullOutput) Maintain(context.Context, func(context.Context) ([]record.Partition, error)) (driver.Upkeep, error) {
	return driver.Upkeep{Settled: true}, nil
}
func (nullOutput) Now(context.Context) (at, latest time.Time, err error) {
	return time.Now(), latest, nil
}
func (nullOutput) Ledger() driver.Ledger { return driver.Ledger{} }

// loopSource gives batches of records that it made before, until it has given n of them.
type loopSource struct {
	lanes  []driver.Assignment
	free   chan *driver.Batch
	at     []int64
	n      int
	given  int
	paused map[string]bool
	asked  bool
}

func newLoopSource(lanes, batch, n int) *loopSource {
	s := &loopSource{at: make([]int64, lanes), n: n, free: make(chan *driver.Batch, 64), paused: map[string]bool{}}
	for i := range lanes {
		s.lanes = append(s.lanes, driver.Assignment{Lane: fmt.Sprint("bench/", i), Partitions: []record.Partition{{Source: "bench", ID: fmt.Sprint(i)}}})
	}
	value := make([]byte, 500)
	for range cap(s.free) {
		b := &driver.Batch{Records: make([]record.Record, batch), Bytes: int64(batch * 600)}
		for i := range b.Records {
			b.Records[i].Value = value
		}
		b.Done = func() { s.free <- b }
		s.free <- b
	}
	return s
}

func (s *loopSource) Info() driver.SourceInfo { return driver.SourceInfo{ID: "bench"} }

func (s *loopSource) Poll(ctx context.Context) (*driver.Batch, error) {
	if !s.asked {
		s.asked = true
		return &driver.Batch{Assigned: s.lanes}, nil
	}
	if s.given >= s.n {
		return nil, io.EOF
	}
	lane := -1
	for range s.lanes {
		i := s.given % len(s.lanes)
		s.given++
		if !s.paused[s.lanes[i].Lane] {
			lane = i
			break
		}
	}
	if lane < 0 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	select {
	case b := <-s.free:
		b.Lane = s.lanes[lane].Lane
		for i := range b.Records {
			s.at[lane]++
			r := &b.Records[i]
			r.Partition, r.Position.Sub = &s.lanes[lane].Partitions[0], s.at[lane]
			r.Time = benchStart.Add(time.Duration(s.at[lane]) * time.Millisecond)
		}
		return b, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *loopSource) Start(context.Context, driver.Start) error { return nil }
func (s *loopSource) Pause(lane string, on bool)                { s.paused[lane] = on }
func (s *loopSource) Close() error                              { return nil }
func (s *loopSource) AtEnd(context.Context, map[record.Partition]record.Position) ([]record.Partition, error) {
	return nil, nil
}
func (s *loopSource) Partitions(context.Context) ([]record.Partition, error) { return nil, nil }

// BenchmarkRun is the whole engine between a source that costs nothing and an output that costs nothing.
func BenchmarkRun(b *testing.B) {
	const batch = 1000
	for _, lanes := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("lanes=%d", lanes), func(b *testing.B) {
			src := newLoopSource(lanes, batch, b.N/batch+1)
			p := decodeBench(From(src))
			p = Via(p, Filter("kind", func(h *hit) bool { return true }))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := cpuTime()
			b.ResetTimer()
			if err := Run(b.Context(), p, nullOutput{}, &Options{CommitEvery: time.Second}); err != nil {
				b.Fatal(err)
			}
			runtime.ReadMemStats(&after)
			n := float64((b.N/batch + 1) * batch)
			b.ReportMetric(float64((cpuTime()-began).Nanoseconds())/n, "cpu-ns/event")
			b.ReportMetric(float64(after.Mallocs-before.Mallocs)/n, "allocs/event")
		})
	}
}
