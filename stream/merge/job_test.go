package merge_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/merge"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
	"github.com/onceflow/onceflow/stream/streamtest"
)

type event struct {
	text string
	at   time.Time
}

func (e *event) eventTime() time.Time { return e.at }

var errGone = errors.New("the machine is gone")

// holding keeps each event for some seconds of event time, so that records are pending at every moment. It fails once it was called
// as often as left says, whatever is under way then.
type holding struct{ left *int }

func (h holding) Traits() stage.Traits { return stage.Traits{Holds: true} }

func (h holding) Open(*stage.Lane) (stage.Processor[event, event], error) {
	return &held{left: h.left}, nil
}

type held struct {
	left    *int
	pending []record.Event[event]
}

func (h *held) Process(_ context.Context, in []record.Event[event], out *stage.Emitter[event]) error {
	if *h.left--; *h.left == 0 {
		return errGone
	}
	for _, e := range in {
		out.Hold(e.Origin)
		h.pending = append(h.pending, e)
	}
	return nil
}

func (h *held) Advance(_ context.Context, at time.Time, out *stage.Emitter[event]) error {
	h.pending = slices.DeleteFunc(h.pending, func(e record.Event[event]) bool {
		if e.Time.Add(5 * time.Second).After(at) {
			return false
		}
		out.Release(e.Origin)
		out.Emit(e)
		return true
	})
	return nil
}

// order is that in which the lanes of a run got their new records.
type order struct {
	mu     sync.Mutex
	newest map[string]time.Time // by lane
	upTo   map[record.Partition]record.Position
	wrong  []string
}

// see takes down a record. Pending ones, which come first, are not in order.
func (o *order) see(r *stream.Record) (event, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	lane := r.Partition.ID
	if r.Position.After(o.upTo[*r.Partition]) {
		if r.Time.Before(o.newest[lane]) {
			o.wrong = append(o.wrong, fmt.Sprintf("%s is %v behind", r.Value, o.newest[lane].Sub(r.Time)))
		}
		o.newest[lane] = r.Time
	}
	return event{string(r.Value), r.Time}, nil
}

// A job of two sides fails at random, in the middle of everything, and begins again.
func TestEachRecordOnceAndInOrderOverCrashes(t *testing.T) {
	noLeak(t)
	pending := 0 // when a run began
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		a, b := streamtest.NewLog(1), streamtest.NewLog(1)
		var want []string
		for side, log := range []*streamtest.Log{a, b} {
			at := t0
			for i := range 600 {
				at = at.Add(time.Duration(r.Int64N(int64(2 * time.Second))))
				v := fmt.Sprintf("%d/%d", side, i)
				log.Append(0, 0, at, v)
				want = append(want, v)
			}
			log.EndAll()
		}
		ledger := streamtest.NewLedger[event](t)
		ledger.Lateness = -1
		crashes := 0
		for {
			left := 0
			if crashes < 8 {
				left = 1 + r.IntN(100)
			}
			err := runOnce(t, a, b, ledger, &left)
			if err == nil {
				break
			}
			if !errors.Is(err, errGone) {
				t.Fatalf("seed %d, run %d: %v", seed, crashes, err)
			}
			crashes++
			pending += ledger.Progress(record.Partition{Source: "a=log", Epoch: "1", ID: "0.0"}).Pending.Len()
		}
		got := []string{}
		for _, e := range ledger.Values() {
			got = append(got, e.text)
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) || crashes == 0 {
			t.Fatalf("seed %d: %d rows after %d crashes, want each of %d records once", seed, len(got), crashes, len(want))
		}
	}
	if pending == 0 {
		t.Error("no run had records to replay")
	}
}

// runOnce runs the job until it fails or has read all. It fails the test if new records come out of order.
func runOnce(t *testing.T, a, b *streamtest.Log, ledger *streamtest.Ledger[event], left *int) error {
	t.Helper()
	src := open(t, a.Source(nil), map[string]merge.Given{"b": give(b)}, nil)
	seen := &order{newest: map[string]time.Time{}, upTo: map[record.Partition]record.Position{}}
	parts, err := src.Partitions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		seen.upTo[p] = ledger.Progress(p).UpTo
	}
	events := stream.Via(stream.From(src), stream.Decode(seen.see, (*event).eventTime))
	err = stream.Run(t.Context(), stream.Via(events, stream.Stage[event, event](holding{left})), ledger.Output(), &stream.Options{CommitEvery: time.Millisecond})
	if len(seen.wrong) > 0 {
		t.Fatalf("%d records are out of order: %v", len(seen.wrong), seen.wrong[0])
	}
	return errors.Join(err, src.Close())
}
