package stream_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// The commit succeeded, but its reply was lost. Its files have to be published before the end, so the output is asked
// once more what is left to do.
func TestTheEndMaintainsAfterACommitOfUnknownOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), newLedger(t)
		log.Append(0, 0, t0, "06:00 a")
		out := ledger.Output()
		lost, settled := false, true
		out.Done = func(op string) error {
			switch {
			case op == "commit" && !lost:
				lost, settled = true, false
				return errors.New("no reply")
			case op == "maintain":
				settled = true
			}
			return nil
		}
		src := log.Source(nil)
		go func() {
			elapse(5 * time.Second) // after the first upkeep
			log.EndAll()
		}()
		runToEnd(t, texts(src), out, nil)
		if !lost || !settled {
			t.Errorf("reply lost %v, maintained after it %v, want both", lost, settled)
		}
		wantWords(t, ledger, "a")
	})
}

// gated is a stage that waits at the word "wait".
type gated struct{ gate chan struct{} }

func (g gated) Open(*stage.Lane) (stage.Processor[text, text], error) { return g, nil }

func (g gated) Process(ctx context.Context, in []record.Event[text], out *stage.Emitter[text]) error {
	if in[0].Value.word == "wait" {
		<-g.gate
	}
	return passing(ctx, in, out)
}

// A fence comes while batches wait and the lane is paused because of them. They are of the old assignment: none of them
// may be processed, and the lane must not stay paused.
func TestAFenceThrowsAwayWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), newLedger(t)
		out := ledger.Output()
		var slow atomic.Bool
		slow.Store(true)
		out.Hook = func(op string) error {
			if op == "commit" && slow.Swap(false) {
				elapse(5 * time.Second)
				ledger.Take("lane-0")
			}
			return nil
		}
		src, stage := log.Source(&streamtest.SourceOptions{Batch: 1}), gated{make(chan struct{})}
		opts := often
		opts.Memory = 1 << 20
		j := startJob(t, src, out, opts, stage)
		log.Append(0, 0, t0, "06:00 a")
		for slow.Load() {
			elapse(100 * time.Millisecond) // until the first commit is under way
		}
		log.Append(0, 0, t0, "06:01 wait")
		want := []string{"a", "wait"}
		for range 20 {
			log.Append(0, 0, t0, big("x", 50_000))
			want = append(want, big("x", 50_000)[len("06:00 "):])
		}
		elapse(7 * time.Second)
		if got := src.Paused(); len(got) != 1 {
			t.Fatalf("%v are paused, want the lane", got)
		}
		close(stage.gate)
		elapse(2 * every)
		j.mustStop()
		wantWords(t, ledger, want...)
		if s := j.now(); s.Fenced != 1 {
			t.Errorf("%d fences, want 1", s.Fenced)
		}
	})
}

// late is a source that has a rebalance to tell just when it is interrupted.
type late struct {
	*streamtest.Source
	armed atomic.Bool
}

func (l *late) Poll(ctx context.Context) (*driver.Batch, error) {
	b, err := l.Source.Poll(ctx)
	if err != nil && l.armed.Swap(false) {
		l.Revoke(time.Time{}, "lane-1")
		return l.Source.Poll(context.WithoutCancel(ctx))
	}
	return b, err
}

func TestARebalanceThatMeetsARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1, 1), newLedger(t)
		src := &late{Source: log.Source(nil)}
		out := ledger.Output()
		out.Hook = func(op string) error {
			if op == "commit" && len(ledger.Cuts()) == 0 {
				src.armed.Store(true)
			}
			return nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- stream.Run(ctx, texts(src), out, &often) }()
		log.Append(0, 0, t0, "06:00 a")
		log.Append(1, 0, t0, "06:00 b")
		synctest.Wait()
		ledger.Take("lane-0")
		elapse(3 * every)
		log.Append(0, 0, t0, "06:01 c")
		elapse(3 * every)
		src.Assign("lane-1")
		elapse(3 * every)
		wantWords(t, ledger, "a", "b", "c")
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// Upkeep is slow, and lanes come and go meanwhile. The output checks that it is not asked for two things at once.
func TestSlowUpkeepStandsInNobodysWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1, 1), newLedger(t)
		src, out := log.Source(&streamtest.SourceOptions{Lanes: []string{"lane-0"}}), ledger.Output()
		out.Hook = func(op string) error {
			if op == "maintain" {
				elapse(4 * time.Second)
			}
			return nil
		}
		j := startJob(t, src, out, stream.Options{CommitEvery: 2 * time.Second})
		for range 6 {
			log.Append(0, 0, t0, "06:00 a")
			log.Append(1, 0, t0, "06:00 b")
			elapse(2500 * time.Millisecond)
			src.Assign("lane-1")
			elapse(5500 * time.Millisecond)
			src.Revoke(time.Now().Add(10*time.Second), "lane-1")
			elapse(6500 * time.Millisecond)
		}
		j.mustStop()
		if got := len(ledger.Rows()); got != 12 {
			t.Errorf("%d rows, want 12", got)
		}
	})
}

// asking counts the questions about the ends of logs.
type asking struct {
	*streamtest.Source
	mu    sync.Mutex
	asked map[record.Partition]int
}

func (a *asking) AtEnd(ctx context.Context, at map[record.Partition]record.Position) ([]record.Partition, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for p := range maps.Keys(at) {
		a.asked[p]++
	}
	return a.Source.AtEnd(ctx, at)
}

// A question costs a request. A log that gives records needs none: they move its clock.
func TestOnlyIdleLogsAreAskedForTheirEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1, 1), newLedger(t)
		src := &asking{Source: log.Source(nil), asked: map[record.Partition]int{}}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- stream.Run(ctx, texts(src), ledger.Output(), &often) }()
		for range 600 {
			log.Append(0, 0, t0, "06:00 a")
			elapse(100 * time.Millisecond)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		busy, idle := src.asked[log.Partition(0, 0)], src.asked[log.Partition(1, 0)]
		if 4*busy > idle || idle < 10 || idle > 40 { // one upkeep may follow another before the next record
			t.Errorf("asked %d times for the busy log and %d times for the idle one, want hardly ever and about 20", busy, idle)
		}
		if !slices.Contains(slices.Collect(maps.Keys(src.asked)), log.Partition(1, 0)) {
			t.Error("the idle log was not asked for")
		}
	})
}
