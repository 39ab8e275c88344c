package stream

import (
	"context"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	core "github.com/onceflow/onceflow/stream/internal/lane"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// nullTxn writes nothing.
type nullTxn[T any] struct{ rows int64 }

func (t *nullTxn[T]) Write(_ context.Context, _ driver.Writer, rows []record.Event[T], fates []record.Fate) ([]driver.BadRow, error) {
	t.rows += int64(len(rows))
	for i := range fates {
		fates[i] = record.Written
	}
	return nil, nil
}
func (t *nullTxn[T]) Reject(context.Context, driver.Writer, []driver.DeadLetter) error { return nil }
func (t *nullTxn[T]) Bytes() int64                                                     { return 0 }
func (t *nullTxn[T]) Commit(context.Context, driver.Cut) (driver.Committed, error) {
	return driver.Committed{}, nil
}
func (t *nullTxn[T]) Drop(context.Context) error { return nil }

type hit struct {
	id   int64
	at   time.Time
	kind byte
	_    [12]int64 // about the size of a real one
}

func parseBench(r *record.Record) (h hit, err error) {
	h.id = int64(r.Value[0])
	h.at = r.Time
	h.kind = r.Value[1]
	return h, nil
}

func (h *hit) eventTime() time.Time { return h.at }

var benchStart = time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC)

// benchLane opens a lane and returns a step that feeds it the next batch of n records.
func benchLane(tb testing.TB, n int, build func(Pipe[record.Record]) Pipe[hit]) (step func(), c *core.Lane) {
	p := build(From(nil))
	c = openCore(tb, p, nil, driver.Txn[hit](&nullTxn[hit]{}))
	value := make([]byte, 500)
	b := &driver.Batch{Lane: "p/0", Records: make([]record.Record, n)}
	var pos int64
	step = func() {
		for i := range b.Records {
			pos++
			value[1] = byte(pos)
			b.Records[i] = record.Record{Partition: &onePart, Position: record.Position{Sub: pos}, Value: value, Time: benchStart.Add(time.Duration(pos) * time.Millisecond)}
		}
		process(tb, c, b)
	}
	return step, c
}

func benchSteps(b *testing.B, n int, build func(Pipe[record.Record]) Pipe[hit]) {
	step, _ := benchLane(b, n, build)
	for range 200 {
		step()
	}
	b.ReportAllocs()
	began := cpuTime()
	for b.Loop() {
		step()
	}
	b.ReportMetric(float64((cpuTime()-began).Nanoseconds())/float64(b.N)/float64(n), "cpu-ns/event")
}

// holdAll holds every event for a second of event time.
type holdAll struct{}

func (holdAll) Open(*stage.Lane) (stage.Processor[hit, hit], error) { return &holding{}, nil }
func (holdAll) Traits() stage.Traits                                { return stage.Traits{Holds: true} }

type holding struct {
	q    []record.Event[hit]
	from int
}

func (p *holding) Process(_ context.Context, in []record.Event[hit], out *stage.Emitter[hit]) error {
	for i := range in {
		out.Hold(in[i].Origin)
	}
	if p.from > len(p.q)/2 {
		p.q = p.q[:copy(p.q, p.q[p.from:])]
		p.from = 0
	}
	p.q = append(p.q, in...)
	return nil
}

func (p *holding) Advance(_ context.Context, eventTime time.Time, out *stage.Emitter[hit]) error {
	for p.from < len(p.q) && p.q[p.from].Time.Add(time.Second).Before(eventTime) {
		out.Release(p.q[p.from].Origin)
		out.Emit(p.q[p.from])
		p.from++
	}
	return nil
}

func decodeBench(p Pipe[record.Record]) Pipe[hit] {
	return Via(p, Decode(parseBench, (*hit).eventTime))
}

func BenchmarkLane(b *testing.B) {
	const n = 1000
	b.Run("decode", func(b *testing.B) { benchSteps(b, n, decodeBench) })
	b.Run("decode+filter+map", func(b *testing.B) {
		benchSteps(b, n, func(p Pipe[record.Record]) Pipe[hit] {
			h := Via(decodeBench(p), Filter("kind", func(h *hit) bool { return h.kind&7 != 0 }))
			return Via(h, Map(func(h *hit) (hit, error) { h.id++; return *h, nil }))
		})
	})
	b.Run("decode+hold", func(b *testing.B) {
		benchSteps(b, n, func(p Pipe[record.Record]) Pipe[hit] { return Via[hit, hit](decodeBench(p), holdAll{}) })
	})
}

// BenchmarkCut is the stop of a worker at a commit: the pending set of a lane with a million pending records.
func BenchmarkCut(b *testing.B) {
	const n = 1_000_000
	build := func(p Pipe[record.Record]) Pipe[hit] {
		return Via(decodeBench(p), Func[hit, hit](func(_ context.Context, in []record.Event[hit], out *stage.Emitter[hit]) error {
			for i := range in {
				out.Hold(in[i].Origin)
			}
			return nil
		}))
	}
	step, c := benchLane(b, 1000, build)
	for range n / 1000 {
		step()
	}
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		step() // else there is nothing to cut; a thousand more are pending each time
		b.StartTimer()
		cutOfCore(b, c)
	}
}
