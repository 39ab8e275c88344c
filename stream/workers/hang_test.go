package workers_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/streamtest"
	"github.com/onceflow/onceflow/stream/workers"
)

// hanging makes tasks that do not return for values with an h, whatever their context says, before free is closed.
type hanging struct{ free chan struct{} }

func (h hanging) open(workers.Subpartition) (workers.Task[string, string], error) { return h, nil }

func (h hanging) Process(_ context.Context, e record.Event[string], r workers.Reply[string]) {
	if strings.Contains(e.Value, "h") {
		<-h.free
	}
	r.Done(e.Value)
}

func byFirst(v *string) int { return int((*v)[0] - 'a') }

func feed(l *streamtest.Lane[string, string], values ...string) {
	for _, v := range values {
		l.Feed(t0, v)
	}
}

// pass lets time pass for goroutines of a bubble.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestACallThatNeverReturnsIsLeftToItselfAndItsSubpartitionGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hanging{make(chan struct{})}
		w := workers.New(h.open, workers.Partitioner[string]{Count: 2, Of: byFirst}, &workers.Options{
			Parallel: 2, Timeout: time.Minute, Failed: workers.Retries(0, workers.DeadLetter),
		})
		l := streamtest.Open(t, w)
		feed(l, "ah1", "a2", "b1")
		pass(time.Minute)
		l.Pull()
		if got := l.Rejected(); len(got) != 1 || !errors.Is(got[0], workers.ErrTimeout) || fmt.Sprint(l.Out) != "[b1]" {
			t.Errorf("after the timeout: rows %q, dead letters %v", l.Out, got)
		}
		pass(59 * time.Second)
		if s := w.Status(); s.Abandoned != 0 || len(l.Pull()) > 0 {
			t.Errorf("the call is left to itself before twice the timeout: %+v", s)
		}
		pass(time.Second)
		if got := l.Pull(); fmt.Sprint(got) != "[a2]" {
			t.Errorf("got %q, want the record behind the one that hangs", got)
		}
		if s := w.Status(); s.Abandoned != 1 || s.Hanging != 1 {
			t.Errorf("Status counts %d calls that hang, %d of them now, want 1", s.Abandoned, s.Hanging)
		}
		feed(l, "a3", "b2", "b3")
		synctest.Wait()
		if got := l.Pull(); len(got) != 3 {
			t.Errorf("got %q, want all three: another goroutine has taken the place", got)
		}
		close(h.free)
		synctest.Wait()
		if s := w.Status(); s.Hanging != 0 || s.AnsweredLate != 1 {
			t.Errorf("%d hang and %d answers came late, want 0 and 1", s.Hanging, s.AnsweredLate)
		}
		l.Pull()
	})
}

func TestAsManyHangingCallsAsMayRunStopTheJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hanging{make(chan struct{})}
		defer close(h.free)
		log, ledger := streamtest.NewLog(1), streamtest.NewLedger[string](t)
		log.Append(0, 0, time.Now(), "ah1", "b1", "bh2", "a2")
		w := workers.New(h.open, workers.Partitioner[string]{Count: 2, Of: byFirst}, &workers.Options{Parallel: 2, Timeout: time.Minute})
		lines := stream.Via(stream.From(log.Source(nil)), stream.Decode(func(r *stream.Record) (string, error) { return string(r.Value), nil }, nil))
		err := stream.Run(t.Context(), stream.Via(lines, w), ledger.Output(), nil)
		var e *workers.Error
		if !errors.As(err, &e) {
			t.Fatalf("got %v, want an *Error", err)
		}
		if got := ledger.Values(); fmt.Sprint(got) != "[b1]" {
			t.Errorf("rows %q, want what was finished", got)
		}
	})
}

// A task that heeds its context returns before its lane is given up, so that Run ends behind it.
func TestCloseWaitsForCallsThatHeedTheirContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		returned := false
		w := workers.New(workers.Func(func(ctx context.Context, v *string) (string, error) {
			<-ctx.Done()
			<-time.After(time.Millisecond)
			returned = true
			return "", ctx.Err()
		}), workers.RoundRobin[string](1), nil)
		l := streamtest.Open(t, w)
		l.Feed(t0, "a")
		synctest.Wait()
		began := time.Now()
		l.Close()
		if !returned || time.Since(began) != time.Millisecond {
			t.Errorf("Close returned after %v, and the call had returned: %v", time.Since(began), returned)
		}
	})
}

func TestCloseDoesNotWaitForLongAndOnlyOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hanging{make(chan struct{})}
		w := workers.New(h.open, workers.RoundRobin[string](1), nil)
		one, two := streamtest.Open(t, w), streamtest.Open(t, w)
		one.Feed(t0, "h")
		two.Feed(t0, "h")
		synctest.Wait()
		began := time.Now()
		one.Close()
		two.Close()
		if took := time.Since(began); took != time.Second {
			t.Errorf("both took %v, want a second for the first and none for the other", took)
		}
		close(h.free)
		synctest.Wait()
		if s := w.Status(); s.AnsweredAfterClose != 2 {
			t.Errorf("%d answers after close, want 2", s.AnsweredAfterClose)
		}
	})
}

func TestATaskThatEndsItsGoroutineCountsAsHanging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := workers.New(workers.Func(func(_ context.Context, v *string) (string, error) {
			if *v == "a1" {
				runtime.Goexit()
			}
			return *v, nil
		}), workers.Partitioner[string]{Count: 2, Of: byFirst}, &workers.Options{
			Parallel: 2, Timeout: time.Minute, Failed: workers.Retries(0, workers.DeadLetter),
		})
		l := streamtest.Open(t, w)
		feed(l, "a1", "a2", "b1")
		pass(2 * time.Minute)
		if l.Pull(); fmt.Sprint(l.Out) != "[b1 a2]" || len(l.Rejected()) != 1 {
			t.Errorf("rows %q and dead letters %v, want b1, a2 and one dead letter", l.Out, l.Rejected())
		}
	})
}

// Sub-partitions take turns, whatever lane they are of: one with a long queue does not hold up those with short ones.
func TestSubpartitionsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := workers.New(workers.Func(func(_ context.Context, v *string) (string, error) {
			<-time.After(10 * time.Millisecond)
			return *v, nil
		}), workers.Partitioner[string]{Count: 2, Of: byFirst}, &workers.Options{Parallel: 1})
		busy, other := streamtest.Open(t, w), streamtest.Open(t, w)
		for range 100 {
			busy.Feed(t0, "a")
		}
		busy.Feed(t0, "b")
		other.Feed(t0, "a")
		pass(35 * time.Millisecond)
		if got := busy.Pull(); len(got) != 2 {
			t.Errorf("the busy lane has %q, want one record of each sub-partition", got)
		}
		if got := other.Pull(); len(got) != 1 {
			t.Errorf("the other lane has %q, want its record", got)
		}
	})
}

func TestTheSourceIsPausedWhileALaneIsFullAndSiblingsGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1, 1), streamtest.NewLedger[string](t)
		ledger.Lateness = -1
		for range 3000 {
			log.Append(0, 0, time.Now(), "a stands still", "b goes on")
			log.Append(1, 0, time.Now(), "b of another lane")
		}
		log.EndAll()
		w := workers.New(workers.Func(func(_ context.Context, v *string) (string, error) { return *v, nil }),
			workers.Partitioner[string]{Count: 2, Of: byFirst}, &workers.Options{Queue: 10_000})
		a := workers.Subpartition{Lane: log.Lanes()[0], Index: 0}
		w.Pause(a)
		src := log.Source(nil)
		var isReady atomic.Bool
		ended := make(chan error, 1)
		begin := func(ctx context.Context) {
			lines := stream.Via(stream.From(src), stream.Decode(func(r *stream.Record) (string, error) { return string(r.Value), nil }, nil))
			ended <- stream.Run(ctx, stream.Via(lines, w), ledger.Output(), &stream.Options{
				CommitEvery: time.Second, Memory: 4 << 20, Observe: func(s stream.Status) { isReady.Store(s.Ready) },
			})
		}
		ctx, cancel := context.WithCancel(t.Context())
		go begin(ctx)
		pass(time.Minute)
		rows := map[string]int{}
		for _, v := range ledger.Values() {
			rows[v]++
		}
		var stuck workers.SubpartitionStatus
		for _, s := range w.Status().Subpartitions {
			stuck = s
		}
		if stuck.Subpartition != a || stuck.Bytes < 20_000 || stuck.Depth > 1500 {
			t.Errorf("%+v waits, the source has paused %q, want the 20,000 bytes of both sub-partitions in the one that is paused, and what had been read by then", stuck, src.Paused())
		}
		if got := rows["b goes on"]; got < stuck.Depth-10 {
			t.Errorf("%d records of the sibling are committed, want those read with the %d that wait", got, stuck.Depth)
		}
		if rows["b of another lane"] != 3000 {
			t.Errorf("the other lane has %d rows, want all", rows["b of another lane"])
		}
		if paused := src.Paused(); len(paused) != 1 {
			t.Errorf("the source has paused %q, want the lane", paused)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		src = log.Source(nil)
		isReady.Store(false)
		go begin(t.Context())
		pass(time.Minute)
		if !isReady.Load() {
			t.Error("the lane is not ready: it is full before all its pending records are back")
		}
		w.Resume(a)
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if got := len(ledger.Values()); got != 9000 {
			t.Errorf("%d rows in the end, want 9000", got)
		}
	})
}

func TestARecordThatTakesAnHourHoldsNobodyElseUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), streamtest.NewLedger[string](t)
		ledger.Lateness = -1
		w := workers.New(workers.Func(func(_ context.Context, v *string) (string, error) {
			if *v == "a slow" {
				<-time.After(time.Hour)
			}
			return *v, nil
		}), workers.Partitioner[string]{Count: 2, Of: byFirst}, &workers.Options{Timeout: 2 * time.Hour})
		log.Append(0, 0, time.Now(), "a slow")
		lines := stream.Via(stream.From(log.Source(nil)), stream.Decode(func(r *stream.Record) (string, error) { return string(r.Value), nil }, nil))
		ended := make(chan error, 1)
		go func() { ended <- stream.Run(t.Context(), stream.Via(lines, w), ledger.Output(), nil) }()
		for range 58 {
			log.Append(0, 0, time.Now(), "b")
			pass(time.Minute)
		}
		at := ledger.Progress(log.Partition(0, 0))
		if at.UpTo.Sub < 55 || at.Pending.Len() != 1 {
			t.Errorf("after 58 minutes %d of 59 records are committed and %d pending, want nearly all and 1", at.UpTo.Sub, at.Pending.Len())
		}
		log.EndAll()
		if err := <-ended; err != nil || len(ledger.Values()) != 59 {
			t.Errorf("in the end: %v, %d rows, want 59", err, len(ledger.Values()))
		}
	})
}

// hangsOnce makes tasks of which the first call of one method does not return before free is closed.
type hangsOnce struct {
	method string
	hung   *atomic.Bool
	free   chan struct{}
}

func (h hangsOnce) in(method string) {
	if method == h.method && !h.hung.Swap(true) {
		<-h.free
	}
}

func (h hangsOnce) open(workers.Subpartition) (workers.Task[string, string], error) {
	h.in("open")
	return h, nil
}

func (h hangsOnce) Accept(record.Event[string]) bool { h.in("accept"); return true }

func (h hangsOnce) Process(_ context.Context, e record.Event[string], r workers.Reply[string]) {
	r.Done(e.Value)
}

func (h hangsOnce) Punctuate(context.Context, time.Time) { h.in("punctuate") }

func TestWhateverCallHangsNoRecordIsLost(t *testing.T) {
	for _, method := range []string{"open", "accept", "punctuate"} {
		synctest.Test(t, func(t *testing.T) {
			h := hangsOnce{method, new(atomic.Bool), make(chan struct{})}
			w := workers.New(h.open, workers.RoundRobin[string](1), &workers.Options{Parallel: 2, Timeout: time.Minute})
			l := streamtest.Open(t, w)
			l.Feed(t0, "a1")
			pass(3 * time.Second)
			l.Feed(t0, "a2")
			pass(2 * time.Minute)
			l.Pull()
			if fmt.Sprint(l.Out) != "[a1 a2]" || l.Pending() != 0 {
				t.Errorf("%s hangs: rows %q, want both records", method, l.Out)
			}
			if s := w.Status(); s.Abandoned != 1 || s.Hanging != 1 {
				t.Errorf("%s hangs: %+v, want one call that is left to itself", method, s)
			}
			close(h.free)
			synctest.Wait()
			if s := w.Status(); s.Hanging != 0 {
				t.Errorf("%s hangs: %d calls hang though all have returned", method, s.Hanging)
			}
			l.Close()
		})
	}
}
