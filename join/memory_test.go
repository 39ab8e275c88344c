package join_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"github.com/onceflow/onceflow/join"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// wide is an event of a usual size.
type wide struct {
	Session, URL, Agent string
	Load                bool
	N                   [8]int64
}

func (w *wide) key() string   { return w.Session }
func (w *wide) isLeft() bool  { return w.Load }
func (w *wide) merge(r *wide) { w.N = r.N }

func wideEvent(i int) record.Event[wide] {
	return record.Event[wide]{
		Value: wide{
			Session: fmt.Sprintf("%032d", i), URL: fmt.Sprintf("/a/page/of/the/site/%020d", i), Load: true, Agent: "shared",
		},
		Time:   t0.Add(time.Duration(i) * 50 * time.Microsecond),
		Origin: record.NewOrigin(uint32(i + 1)),
	}
}

const wideBytes = int(unsafe.Sizeof(record.Event[wide]{})) + 32 + 48 // 48: the size class of the 40 bytes of URL

func heap() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

func TestPendingEventsCostAtMostHalfTheirBytesMore(t *testing.T) {
	costs(t, join.Left((*wide).key, (*wide).isLeft, (*wide).merge, nil), true)
}

// They are finished, so each says itself where it came from.
func TestRightEventsOfAnAsOfJoinCostAtMostHalfTheirBytesMore(t *testing.T) {
	costs(t, join.AsOf((*wide).key, (*wide).isLeft, (*wide).merge, nil), false)
}

// costs fills a join with events of one side that wait, or are kept, and lets them go.
func costs(t *testing.T, s stage.Stage[wide, wide], left bool) {
	if testing.Short() {
		t.Skip("measures memory")
	}
	for _, n := range []int{30_000, 120_000} {
		p, err := s.Open(&stage.Lane{})
		if err != nil {
			t.Fatal(err)
		}
		out := stage.NewEmitter[wide](&onePartition{})
		before := heap()
		for i := range n {
			e := wideEvent(i)
			e.Value.Load = left
			if err := p.Process(t.Context(), []record.Event[wide]{e}, out); err != nil {
				t.Fatal(err)
			}
			out.Take()
		}
		got := float64(heap()-before) / float64(n*wideBytes)
		t.Logf("%d events: %.2f of their bytes", n, got)
		if got > 1.5 {
			t.Errorf("%d events take %.2f times their bytes, want at most 1.5", n, got)
		}
		if err := p.(stage.Advancer[wide]).Advance(t.Context(), record.EndOfTime, out); err != nil {
			t.Fatal(err)
		}
		*out = stage.Emitter[wide]{}
		if left := float64(heap()-before) / float64(n*wideBytes); left > 0.05 {
			t.Errorf("%.2f of their bytes are still there when all have left", left)
		}
		runtime.KeepAlive(p)
	}
}

// A load, its beat 60 s later, at 20,000 events a second.
func BenchmarkJoin(b *testing.B) {
	p, err := join.Left((*wide).key, (*wide).isLeft, (*wide).merge, &join.Options{MaxPending: -1}).Open(&stage.Lane{})
	if err != nil {
		b.Fatal(err)
	}
	const lag = 600_000
	var out stage.Emitter[wide]
	batch := make([]record.Event[wide], 0, 1000)
	keys := make([]string, lag+1000)
	for i := range keys {
		keys[i] = fmt.Sprintf("%032d", i)
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		i := n / 2
		at := t0.Add(time.Duration(i) * 100 * time.Microsecond)
		e := record.Event[wide]{Time: at, Origin: record.NewOrigin(uint32(n + 1))}
		if n%2 == 0 {
			e.Value = wide{Session: keys[i%len(keys)], Load: true}
		} else {
			e.Value = wide{Session: keys[max(0, i-lag)%len(keys)]}
		}
		n++
		if batch = append(batch, e); len(batch) == cap(batch) {
			if err := p.Process(b.Context(), batch, &out); err != nil {
				b.Fatal(err)
			}
			if err := p.(stage.Advancer[wide]).Advance(b.Context(), at, &out); err != nil {
				b.Fatal(err)
			}
			out.Take()
			batch = batch[:0]
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/event")
}

// Views and pings at 20,000 events a second, two pings to a view, the second one 60 s later.
func BenchmarkAsOf(b *testing.B) {
	p, err := join.AsOf((*wide).key, (*wide).isLeft, (*wide).merge, &join.Options{MaxPending: -1}).Open(&stage.Lane{})
	if err != nil {
		b.Fatal(err)
	}
	const lag = 400_000
	out := stage.NewEmitter[wide](&onePartition{})
	batch := make([]record.Event[wide], 0, 1000)
	keys := make([]string, lag+1000)
	for i := range keys {
		keys[i] = fmt.Sprintf("%032d", i)
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		i := n / 3
		at := t0.Add(time.Duration(n) * 50 * time.Microsecond)
		e := record.Event[wide]{Time: at, Origin: record.NewOrigin(uint32(n + 1))}
		switch n % 3 {
		case 0:
			e.Value = wide{Session: keys[i%len(keys)]}
		case 1:
			e.Value = wide{Session: keys[i%len(keys)], Load: true}
		case 2:
			e.Value = wide{Session: keys[max(0, i-lag)%len(keys)], Load: true}
		}
		n++
		if batch = append(batch, e); len(batch) == cap(batch) {
			if err := p.Process(b.Context(), batch, out); err != nil {
				b.Fatal(err)
			}
			if err := p.(stage.Advancer[wide]).Advance(b.Context(), at, out); err != nil {
				b.Fatal(err)
			}
			out.Take()
			batch = batch[:0]
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/event")
}

// onePartition is a host that allocates nothing.
type onePartition struct {
	stage.LookupFunc
	record.Partition
}

func (h *onePartition) Lookup(o record.Origin) record.Ref {
	n, _ := o.Parts()
	return record.Ref{Partition: &h.Partition, Position: record.Position{Sub: int64(n)}}
}
func (*onePartition) Size(record.Origin) int64 { return 300 }
