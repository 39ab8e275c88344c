package stream_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// blocking is a stage whose Process waits until it may go on.
type blocking struct {
	gate     chan struct{}
	entered  chan struct{}
	stubborn bool // does not listen to ctx
}

func newBlocking() blocking { return blocking{make(chan struct{}), make(chan struct{}, 100), false} }

func (b blocking) Open(*stage.Lane) (stage.Processor[text, text], error) { return b, nil }

func (b blocking) Process(ctx context.Context, in []record.Event[text], out *stage.Emitter[text]) error {
	b.entered <- struct{}{}
	if b.stubborn {
		<-b.gate
	} else {
		select {
		case <-b.gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return passing(ctx, in, out)
}

// It once processed what waited for half of Options.Shutdown first, though whoever comes next reads it again.
func TestShutdownThrowsAwayWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), newLedger(t)
		stage := newBlocking()
		log.Append(0, 0, t0, "06:00 a", "06:01 b", "06:02 c", "06:03 d", "06:04 e")
		j := startJob(t, log.Source(nil), ledger.Output(), often, stage)
		j.cancel()
		synctest.Wait()
		close(stage.gate)
		j.mustStop()
		wantWords(t, ledger, "a", "b", "c") // the batch that was begun
		if n := len(stage.entered); n != 1 {
			t.Errorf("the stage was called %d times, want once", n)
		}
		if !j.now().ShuttingDown {
			t.Error("the status does not say that the job shuts down")
		}
		startJob(t, log.Source(nil), ledger.Output(), often).mustStop()
		wantWords(t, ledger, "a", "b", "c", "d", "e")
	})
}

func TestShutdownGivesUpACommitThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), newLedger(t)
		out := ledger.Output()
		out.Hook = func(op string) error {
			if op == "commit" {
				elapse(25 * time.Second)
				return errors.New("gave up")
			}
			return nil
		}
		log.Append(0, 0, t0, "06:00 a")
		j := startJob(t, log.Source(nil), out, often)
		began := time.Now()
		if err := j.stop(); err == nil || !strings.Contains(err.Error(), "Options.Shutdown") {
			t.Errorf("got %v, want an error that names Options.Shutdown", err)
		}
		if took := time.Since(began); took > 40*time.Second {
			t.Errorf("it took %v, want about 25 s", took)
		}
	})
}

func TestAStageThatDoesNotComeBackDoesNotHangRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), newLedger(t)
		stage := newBlocking()
		stage.stubborn = true
		log.Append(0, 0, t0, "06:00 a")
		j := startJob(t, log.Source(nil), ledger.Output(), often, stage)
		j.cancel()
		if err := <-j.ended; err == nil || !strings.Contains(err.Error(), "lane-0 has been in a stage") {
			t.Errorf("got %v, want an error that names the lane", err)
		}
		close(stage.gate)
	})
}

func TestAnEndedContextEndsRunAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		log, ledger := streamtest.NewLog(1), newLedger(t)
		if err := stream.Run(ctx, texts(log.Source(nil)), ledger.Output(), nil); err != nil {
			t.Errorf("got %v, want nil", err)
		}
	})
}

func TestErrorsOfStagesStopTheJobAndKeepWhatWasCommitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1, 1), newLedger(t)
		broken := errors.New("broken")
		fail := stream.Func[text, text](func(ctx context.Context, in []record.Event[text], out *stage.Emitter[text]) error {
			if in[0].Value.word == "x" {
				return broken
			}
			return passing(ctx, in, out)
		})
		log.Append(0, 0, t0, "06:00 a")
		j := startJob(t, log.Source(nil), ledger.Output(), often, fail)
		elapse(2 * every)
		log.Append(1, 0, t0, "06:00 b")
		log.Append(0, 0, t0, "06:01 x")
		err := <-j.ended
		var stage *stream.StageError
		if !errors.Is(err, broken) || !errors.As(err, &stage) || stage.Lane != "lane-0" || stage.First.Sub != 2 {
			t.Errorf("got %v, want a StageError of lane-0 at 2", err)
		}
		wantWords(t, ledger, "a")
		if n := j.out.Open(); n != 0 {
			t.Errorf("%d transactions are left open", n)
		}
	})
}

// A commit under way when a stage fails is finished work: it is not thrown away.
func TestACommitUnderWayOutlivesAnErrorElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), newLedger(t)
		out := ledger.Output()
		out.Hook = func(op string) error {
			if op == "commit" {
				elapse(5 * time.Second)
			}
			return nil
		}
		fail := stream.Func[text, text](func(ctx context.Context, in []record.Event[text], o *stage.Emitter[text]) error {
			if in[0].Value.word == "x" {
				return errors.New("broken")
			}
			return passing(ctx, in, o)
		})
		log.Append(0, 0, t0, "06:00 a")
		j := startJob(t, log.Source(nil), out, often, fail)
		elapse(13 * time.Second) // the commit began at 9 to 11
		log.Append(0, 0, t0, "06:01 x")
		if err := <-j.ended; err == nil {
			t.Error("got nil, want the stage's error")
		}
		wantWords(t, ledger, "a")
	})
}

// async is a stage whose results come from another goroutine.
type async struct{ work time.Duration }

func (a async) Open(lane *stage.Lane) (stage.Processor[text, text], error) {
	return &asyncLane{async: a, wake: lane.Wake, done: make(chan record.Event[text], 100)}, nil
}

type asyncLane struct {
	async
	wake func()
	done chan record.Event[text]
}

func (a *asyncLane) Process(_ context.Context, in []record.Event[text], out *stage.Emitter[text]) error {
	for _, e := range in {
		out.Hold(e.Origin)
		go func() {
			elapse(a.work)
			a.done <- e
			a.wake()
		}()
	}
	return nil
}

func (a *asyncLane) Pull(_ context.Context, out *stage.Emitter[text]) error {
	for {
		select {
		case e := <-a.done:
			out.Release(e.Origin)
			out.Emit(e)
		default:
			return nil
		}
	}
}

func TestTheEndWaitsForStagesThatWorkBesideTheLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), newLedger(t)
		log.Append(0, 0, t0, "06:00 a", "06:01 b", "06:02 c", "06:03 d")
		log.EndAll()
		runToEnd(t, stream.Via(texts(log.Source(nil)), stage.Stage[text, text](async{90 * time.Second})), ledger.Output(), nil)
		wantWords(t, ledger, "a", "b", "c", "d")
	})
}

func TestTheEndOfTimeReleasesWhatIsPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), newLedger(t)
		log.Append(0, 0, t0, "06:00 a1")
		log.EndAll()
		runToEnd(t, stream.Via(texts(log.Source(nil)), pairing{forever}), ledger.Output(), nil)
		wantWords(t, ledger, "a1")
	})
}

func TestAStageThatHoldsForEverStopsTheJobAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), newLedger(t)
		log.Append(0, 0, t0, "06:00 a1")
		log.EndAll()
		hold := stream.Func[text, text](func(_ context.Context, in []record.Event[text], out *stage.Emitter[text]) error {
			out.Hold(in[0].Origin)
			return nil
		})
		err := stream.Run(t.Context(), stream.Via(texts(log.Source(nil)), hold), ledger.Output(), nil)
		if err == nil || !strings.Contains(err.Error(), "hold 1 records for ever") {
			t.Errorf("got %v, want an error about the record that is pending", err)
		}
	})
}

// runUntilSettled runs a job to its end whose output settles when it is asked for the fifth time, and returns what it read and
// its ledger.
func runUntilSettled(t *testing.T, opts *stream.Options) (*streamtest.Log, *streamtest.Ledger[text]) {
	t.Helper()
	log, ledger := streamtest.NewLog(1), newLedger(t)
	log.Append(0, 0, t0, "06:00 a")
	log.EndAll()
	out, asked := ledger.Output(), 0
	out.Settle = func() bool { asked++; return asked == 5 }
	runToEnd(t, texts(log.Source(nil)), out, opts)
	if asked != 5 {
		t.Errorf("the output was asked %d times, want until it settled", asked)
	}
	return log, ledger
}

// A job with commits every 50 ms ended with "does not settle" after a minute: each cut set the timer for the next upkeep anew,
// so that there was none.
func TestTheEndAsksAgainThoughCommitsAreShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runUntilSettled(t, &stream.Options{CommitEvery: 20 * time.Millisecond})
	})
}

func TestTheEndWaitsForTheOutputToSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := runUntilSettled(t, nil)
		out := ledger.Output()
		out.Settle = func() bool { return false }
		if err := stream.Run(t.Context(), texts(log.Source(nil)), out, nil); err == nil || !strings.Contains(err.Error(), "does not settle") {
			t.Errorf("an output that never settles: got %v", err)
		}
	})
}
