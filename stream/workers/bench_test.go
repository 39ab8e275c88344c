package workers

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	core "github.com/onceflow/onceflow/stream/internal/lane"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// hit is about the size of a real event.
type hit struct {
	id uint64
	at time.Time
	_  [12]int64
}

// nullTxn writes nothing.
type nullTxn struct{}

func (nullTxn) Write(_ context.Context, _ driver.Writer, rows []record.Event[hit], fates []record.Fate) ([]driver.BadRow, error) {
	for i := range fates {
		fates[i] = record.Written
	}
	return nil, nil
}
func (nullTxn) Reject(context.Context, driver.Writer, []driver.DeadLetter) error { return nil }
func (nullTxn) Bytes() int64                                                     { return 0 }
func (nullTxn) Commit(context.Context, driver.Cut) (driver.Committed, error) {
	return driver.Committed{}, nil
}
func (nullTxn) Drop(context.Context) error { return nil }

// decoding is the stage in front, and through one that passes events on: the floor.
type decoding struct{}

func (decoding) Open(*stage.Lane) (stage.Processor[record.Record, hit], error) {
	return decoding{}, nil
}

func (decoding) Process(_ context.Context, in []record.Event[record.Record], out *stage.Emitter[hit]) error {
	for i := range in {
		e := out.Place()
		*e = record.Event[hit]{Value: hit{id: uint64(in[i].Value.Position.Sub), at: in[i].Time}, Time: in[i].Time, Origin: in[i].Origin}
	}
	return nil
}

type through struct{}

func (through) Open(*stage.Lane) (stage.Processor[hit, hit], error) { return through{}, nil }

func (through) Process(_ context.Context, in []record.Event[hit], out *stage.Emitter[hit]) error {
	for i := range in {
		*out.Place() = in[i]
	}
	return nil
}

// rig is a lane in the engine's core, with what is around it in a job.
type rig struct {
	tb   testing.TB
	c    *core.Lane
	b    *driver.Batch
	pos  int64
	wake chan struct{}
	txn  driver.Txn[hit]
}

const batch = 1000

func newRig(tb testing.TB, st stage.Stage[hit, hit]) *rig {
	tb.Helper()
	r := &rig{tb: tb, wake: make(chan struct{}, 1), txn: nullTxn{}}
	part := record.Partition{Source: "p", ID: "0"}
	var err error
	chain := core.Then(core.Then[record.Record, hit](core.NoStages(), decoding{}), st)
	r.c, err = core.Open(chain, core.Spec[hit]{
		Assignment: driver.Assignment{Lane: "p/0", Partitions: []record.Partition{part}}, Now: time.Now, Txn: &r.txn, Scratch: core.NewScratch(2),
		Wake: func() {
			select {
			case r.wake <- struct{}{}:
			default:
			}
		},
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { r.c.Close() })
	r.b = &driver.Batch{Lane: "p/0", Records: make([]record.Record, batch)}
	value := make([]byte, 500)
	for i := range r.b.Records {
		r.b.Records[i] = record.Record{Partition: &part, Value: value}
	}
	return r
}

// step passes a batch through the lane, and waits until all of it is finished.
func (r *rig) step() {
	for i := range r.b.Records {
		r.pos++
		r.b.Records[i].Position.Sub, r.b.Records[i].Time = r.pos, at0.Add(time.Duration(r.pos)*time.Millisecond)
	}
	for done := false; !done; {
		var err error
		if done, err = r.c.Slice(context.Background(), r.b); err != nil {
			r.tb.Fatal(err)
		}
		r.pull()
	}
	for r.c.Unfinished() > 0 {
		<-r.wake
		if err := r.c.Pull(context.Background()); err != nil {
			r.tb.Fatal(err)
		}
	}
}

func (r *rig) pull() {
	select {
	case <-r.wake:
		if err := r.c.Pull(context.Background()); err != nil {
			r.tb.Fatal(err)
		}
	default:
	}
}

var at0 = time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC)

// atOnce answers before it returns.
type atOnce struct{}

func (atOnce) Process(_ context.Context, e record.Event[hit], r Reply[hit]) { r.Done(e.Value) }

// later answers from goroutines of its own, as a client of another system does.
type later struct{ to chan<- asked }

type asked struct {
	v hit
	r Reply[hit]
}

func (l later) Process(_ context.Context, e record.Event[hit], r Reply[hit]) {
	l.to <- asked{e.Value, r}
}

// ownGoroutines answers what comes.
func ownGoroutines(tb testing.TB) chan<- asked {
	to := make(chan asked, 1000)
	var g sync.WaitGroup
	for range 2 {
		g.Go(func() {
			for a := range to {
				a.r.Done(a.v)
			}
		})
	}
	tb.Cleanup(func() { close(to); g.Wait() })
	return to
}

func stageOf(task Task[hit, hit], inFlight int) *Workers[hit, hit] {
	of := func(h *hit) int { return int(h.id*0x9E3779B97F4A7C15>>32) % 16 }
	return New(func(Subpartition) (Task[hit, hit], error) { return task, nil }, Partitioner[hit]{Count: 16, Of: of}, &Options{InFlight: inFlight})
}

// perEvent reports the time and the processors' time of an event.
func perEvent(b *testing.B, began time.Duration) {
	b.ReportMetric(float64((cpuTime()-began).Nanoseconds())/float64(b.N)/batch, "cpu-ns/event")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/batch, "ns/event")
}

// BenchmarkWorkers is what an event costs on its way through tasks that do nothing, in the engine's core. The floor is the same
// lane with a stage that passes events on, and for tasks that answer later also the two channels that their goroutines need.
func BenchmarkWorkers(b *testing.B) {
	run := func(name string, st func(b *testing.B) stage.Stage[hit, hit]) {
		b.Run(name, func(b *testing.B) {
			r := newRig(b, st(b))
			for range 200 {
				r.step()
			}
			b.ReportAllocs()
			began := cpuTime()
			for b.Loop() {
				r.step()
			}
			perEvent(b, began)
		})
	}
	run("floor", func(*testing.B) stage.Stage[hit, hit] { return through{} })
	run("sync", func(*testing.B) stage.Stage[hit, hit] { return stageOf(atOnce{}, 1) })
	b.Run("channels", func(b *testing.B) {
		to, back := make(chan hit, 1000), make(chan hit, 1000)
		go func() {
			for v := range to {
				back <- v
			}
		}()
		began := cpuTime()
		for b.Loop() {
			for i := range batch {
				to <- hit{id: uint64(i)}
			}
			for range batch {
				<-back
			}
		}
		close(to)
		perEvent(b, began)
	})
	run("async", func(b *testing.B) stage.Stage[hit, hit] { return stageOf(later{ownGoroutines(b)}, 1) })
	run("async, 16 in flight", func(b *testing.B) stage.Stage[hit, hit] { return stageOf(later{ownGoroutines(b)}, 16) })
}

func TestTasksThatAnswerAtOnceCostNoAllocation(t *testing.T) {
	for name, w := range map[string]*Workers[hit, hit]{
		"a task": stageOf(atOnce{}, 1),
		"Func": New(Func(func(_ context.Context, h *hit) (hit, error) { return *h, nil }),
			RoundRobin[hit](16), &Options{InOrder: true}),
	} {
		r := newRig(t, w)
		for range 200 {
			r.step() // buffers grow to their size
		}
		// Goroutines, maps and pools of the runtime allocate now and then.
		if got := testing.AllocsPerRun(50, r.step); got > 20 {
			t.Errorf("%s: %v allocations for %d events, want none", name, got, batch)
		}
	}
}
