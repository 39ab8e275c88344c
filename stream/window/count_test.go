package window_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
	"github.com/onceflow/onceflow/stream/streamtest"
	"github.com/onceflow/onceflow/stream/window"
)

type click struct {
	IP    string
	At    time.Time
	Alarm bool
}

func (c *click) ip() string { return c.IP }
func alarm(c *click) click  { return click{c.IP, c.At, true} }

var t0 = time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC)

// alarms is the reference: it looks at all events so far, for each event.
func alarms(in []click, n int, length time.Duration) (raised []click) {
	done := map[string]time.Time{} // newest interval with an alarm
	for i, e := range in {
		over := false
		for _, end := range in[:i+1] { // each window that ends at an event and holds e
			count := 0
			for _, o := range in[:i+1] {
				if o.IP == e.IP && !o.At.After(end.At) && o.At.After(end.At.Add(-length)) {
					count++
				}
			}
			holds := !e.At.After(end.At) && e.At.After(end.At.Add(-length))
			over = over || end.IP == e.IP && holds && count > n
		}
		interval := e.At.Truncate(length)
		if last, ok := done[e.IP]; over && (!ok || last.Before(interval)) {
			done[e.IP] = interval
			raised = append(raised, alarm(&e))
		}
	}
	return raised
}

func TestAlarmsEqualTheReferenceOverCrashes(t *testing.T) {
	inputs := uint64(1000)
	if testing.Short() {
		inputs = 100
	}
	for seed := range inputs {
		r := rand.New(rand.NewPCG(seed, 1))
		n, length := 1+r.IntN(4), time.Duration(1+r.IntN(6))*10*time.Second
		disorder := int64(0)
		if r.IntN(2) == 0 {
			disorder = int64(length)
		}
		l := streamtest.Open(t, window.Count((*click).ip, n, length, alarm, nil))
		now, newest := t0, t0
		var in []click
		for range 40 {
			now = now.Add(time.Duration(r.IntN(8)) * time.Second)
			c := click{IP: fmt.Sprint(r.IntN(2)), At: now.Add(-time.Duration(r.Int64N(disorder + 1)).Truncate(time.Second))}
			newest = slices.MaxFunc([]time.Time{newest, c.At}, time.Time.Compare)
			in = append(in, c)
			l.Feed(c.At, c)
			switch r.IntN(6) {
			case 0:
				l.Advance(newest)
			case 1:
				l.Crash()
			case 2:
				l.Commit()
			case 3:
				l.Fence()
			}
		}
		var got []click
		for _, c := range l.Out {
			if c.Alarm {
				got = append(got, c)
			}
		}
		if want := alarms(in, n, length); !slices.Equal(got, want) || len(l.Out) != len(in)+len(want) {
			t.Fatalf("seed %d, more than %d in %s:\n in   %v\n got  %v\n want %v", seed, n, length, in, got, want)
		}
		l.Close()
	}
}

// waits holds the last event it got until the next one comes.
type waits struct{}

func (waits) Traits() stage.Traits { return stage.Traits{Holds: true} }
func (waits) Open(*stage.Lane) (stage.Processor[click, click], error) {
	return &waiting{}, nil
}

type waiting struct{ pending []record.Event[click] }

func (w *waiting) Process(_ context.Context, in []record.Event[click], out *stage.Emitter[click]) error {
	for _, e := range in {
		out.Hold(e.Origin)
		w.pending = append(w.pending, e)
	}
	return nil
}

func (w *waiting) Advance(_ context.Context, eventTime time.Time, out *stage.Emitter[click]) error {
	for _, e := range w.pending {
		if eventTime.Equal(record.EndOfTime) {
			out.Release(e.Origin)
			out.Emit(e)
		}
	}
	return nil
}

func TestPendingRecordRaisesItsAlarmAgain(t *testing.T) {
	l := streamtest.Open(t, stream.Compose(window.Count((*click).ip, 2, time.Minute, alarm, nil), waits{}))
	for i := range 4 {
		at := t0.Add(time.Duration(i) * time.Second)
		l.Feed(at, click{IP: "x", At: at})
		l.Crash()
	}
	l.Advance(record.EndOfTime)
	n := 0
	for _, c := range l.Out {
		if c.Alarm {
			n++
		}
	}
	if len(l.Out) != 5 || n != 1 {
		t.Errorf("got %v, want 4 clicks and one alarm", l.Out)
	}
}

func TestKeysThatAreQuietAreForgotten(t *testing.T) {
	var overflow atomic.Int64
	l := streamtest.Open(t, window.Count((*click).ip, 2, time.Minute, alarm, &window.Options{MaxKeys: 10, Overflow: &overflow}))
	for i := range 100 {
		at := t0.Add(time.Duration(i) * time.Minute)
		l.Feed(at, click{IP: fmt.Sprint(i), At: at})
		l.Advance(at)
	}
	if overflow.Load() != 0 {
		t.Errorf("%d events found no room, though only 7 keys are young enough to count", overflow.Load())
	}
	for i := range 20 {
		l.Feed(t0.Add(100*time.Minute), click{IP: fmt.Sprint("n", i)})
	}
	if overflow.Load() == 0 || len(l.Out) != 120 {
		t.Errorf("%d events found no room and %d came out, want some and all 120", overflow.Load(), len(l.Out))
	}
}

func TestZeroKeyIsNotCounted(t *testing.T) {
	l := streamtest.Open(t, window.Count((*click).ip, 1, time.Minute, alarm, nil))
	for range 5 {
		l.Feed(t0, click{})
	}
	if len(l.Out) != 5 {
		t.Errorf("got %v, want 5 clicks", l.Out)
	}
}

func TestSenselessWindowsAreRefused(t *testing.T) {
	for _, s := range []stage.Stage[click, click]{
		window.Count((*click).ip, 0, time.Minute, alarm, nil),
		window.Count((*click).ip, 1, 0, alarm, nil),
		window.Count[click, string](nil, 1, time.Minute, alarm, nil),
		window.Count((*click).ip, 1, time.Minute, alarm, &window.Options{MaxKeys: -1}),
	} {
		if stage.TraitsOf(s).Err == nil {
			t.Error("no error")
		}
	}
}
