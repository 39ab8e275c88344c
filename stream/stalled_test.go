package stream_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// mute is a source that does not report how it is.
type mute struct{ driver.Source }

// Status once said Delay 0 and Lag 0 of what it did not know.
func TestStatusTellsUnknownFromZero(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), newLedger(t)
		log.OpenTransaction(0, 0, true) // nothing proves an end
		var last atomic.Pointer[stream.Status]
		opts := &stream.Options{Observe: func(s stream.Status) { last.Store(&s) }} // a commit a minute
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- stream.Run(ctx, texts(mute{log.Source(nil)}), ledger.Output(), opts) }()
		elapse(5 * time.Second)
		if s := last.Load(); s.Delay != -1 || s.Lag.Records != -1 || s.Uncommitted != 0 {
			t.Errorf("nothing is read: delay %v, lag %+v, %d uncommitted, want unknown, unknown and 0", s.Delay, s.Lag, s.Uncommitted)
		}
		for range 10 { // enough to be believed
			log.Append(0, 0, t0, "06:00 a", "06:00 b")
		}
		elapse(1500 * time.Millisecond)
		if s := last.Load(); s.Delay != -1 || s.Lag.Records != -1 || s.Uncommitted != 20 {
			t.Errorf("nothing is committed: delay %v, lag %+v, %d uncommitted, want unknown, unknown and 20", s.Delay, s.Lag, s.Uncommitted)
		}
		elapse(70 * time.Second)
		if s, want := last.Load(), time.Since(t0); s.Delay > want || s.Delay < want-time.Second || s.Uncommitted != 0 {
			t.Errorf("all is committed: delay %v, %d uncommitted, want %v and 0", s.Delay, s.Uncommitted, want)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// While an output was away, the status told of lag and delay as if all that was read were committed.
func TestWhatIsNotCommittedIsLagAndDelay(t *testing.T) {
	for _, ops := range []string{"commit", "acquire commit", "acquire commit maintain now"} {
		t.Run(ops, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log, ledger := streamtest.NewLog(1, 1), newLedger(t)
				out := ledger.Output()
				var away atomic.Bool
				out.Hook = func(op string) error {
					if away.Load() && strings.Contains(ops, op) {
						return errAway
					}
					return nil
				}
				src := log.Source(nil)
				j := startJob(t, src, out, often)
				log.Append(0, 0, t0, "06:00 a")
				log.Append(1, 0, t0, "06:00 b")
				elapse(2 * every)
				away.Store(true)
				began := time.Now()
				for range 5 {
					log.Append(0, 0, t0, "06:01 c")
					log.Append(1, 0, t0, "06:01 d")
				}
				elapse(3*every + time.Second)
				behind := time.Since(began)
				s := j.now()
				if s.Stalled == nil || !errors.Is(s.Stalled, errAway) {
					t.Errorf("after three intervals: stalled %v, want it to tell of the outage", s.Stalled)
				}
				if s.Uncommitted != 10 || s.Lag.Records != 10 || s.Delay < behind-time.Second {
					t.Errorf("%d uncommitted, lag %+v, delay %v, want 10, 10 and %v", s.Uncommitted, s.Lag, s.Delay, behind)
				}
				if s.Ready && strings.Contains(ops, "acquire") {
					t.Error("it is ready, and has acquired no lane")
				}
				away.Store(false)
				elapse(10 * time.Second)
				if s := j.now(); s.Stalled != nil || s.Uncommitted != 0 || s.Lag.Records != 0 || !s.Ready {
					t.Errorf("ten seconds after the outage: stalled %v, %d uncommitted, lag %+v, ready %v", s.Stalled, s.Uncommitted, s.Lag, s.Ready)
				}
				j.mustStop()
				if n := len(ledger.Rows()); n != 12 {
					t.Errorf("%d rows, want 12", n)
				}
			})
		})
	}
}

// A commit that had failed by a blip once waited for another interval of a minute, with 80,000 records a process.
func TestWhatIsReadAgainIsCommittedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1, 1), newLedger(t)
		out, fails := ledger.Output(), atomic.Int64{}
		out.Hook = func(op string) error {
			if op == "commit" && fails.Add(-1) >= 0 {
				return errAway
			}
			return nil
		}
		const rarely = 10 * time.Minute
		j := startJob(t, log.Source(nil), out, stream.Options{CommitEvery: rarely, Parallel: 2})
		fails.Store(2)
		for range 50 {
			log.Append(0, 0, t0, "06:01 c")
			log.Append(1, 0, t0, "06:01 d")
		}
		elapse(rarely + rarely/10 + 5*time.Second)
		if n := len(ledger.Rows()); n != 100 {
			t.Errorf("%d rows five seconds after the commit failed twice, want 100", n)
		}
		if !strings.Contains(j.logged(), "reason=replay") {
			t.Errorf("no commit says that it is of a replay in\n%s", j.logged())
		}
		j.mustStop()
	})
}

func TestAnOutageLongerThanPatienceEndsTheJob(t *testing.T) {
	for _, op := range []string{"commit", "acquire"} {
		t.Run(op, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log, ledger := streamtest.NewLog(1), newLedger(t)
				out := ledger.Output()
				out.Hook = func(o string) error {
					if o == op {
						return errAway
					}
					return nil
				}
				log.Append(0, 0, t0, "06:00 a")
				opts, began := often, time.Now()
				opts.Patience = 5 * time.Minute
				err := stream.Run(t.Context(), texts(log.Source(nil)), out, &opts)
				if took := time.Since(began); !errors.Is(err, errAway) || !strings.Contains(err.Error(), "Options.Patience") || took < opts.Patience || took > opts.Patience+time.Minute {
					t.Errorf("got %v after %v, want the output's error after Patience", err, took)
				}
			})
		})
	}
}

// stuckWrites is an output whose writes last until their context ends.
type stuckWrites struct{ *streamtest.Output[text] }

type stuckTxn struct{ driver.Txn[text] }

func (o *stuckWrites) Begin(after driver.Txn[text]) driver.Txn[text] {
	if t, ok := after.(*stuckTxn); ok {
		after = t.Txn
	}
	return &stuckTxn{o.Output.Begin(after)}
}

func (t *stuckTxn) Write(ctx context.Context, _ driver.Writer, _ []record.Event[text], _ []record.Fate) ([]driver.BadRow, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// A job did not end at a signal while a worker waited for the store and a commit was due: the conductor waited for the worker.
func TestShutdownEndsThoughAWorkerWaitsForTheOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), newLedger(t)
		log.Append(0, 0, t0, "06:00 a")
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- stream.Run(ctx, texts(log.Source(nil)), &stuckWrites{ledger.Output()}, &often) }()
		elapse(2 * every) // a cut is due and waits for the worker
		began := time.Now()
		cancel()
		if err := <-ended; err == nil || !strings.Contains(err.Error(), "Options.Shutdown") {
			t.Errorf("got %v, want an error that names Options.Shutdown", err)
		}
		if took := time.Since(began); took > 21*time.Second {
			t.Errorf("it took %v, want 20 s", took)
		}
	})
}

// unlisting is a source that does not say which partitions there are.
type unlisting struct{ *streamtest.Source }

func (unlisting) Partitions(context.Context) ([]record.Partition, error) { return nil, errAway }

// A Kafka password that had been changed was "upkeep failed", which says something of the store.
func TestASourceThatDoesNotAnswerIsNotAFailureOfUpkeep(t *testing.T) {
	for name, of := range map[string]func(*streamtest.Source) driver.Source{
		"ends":       func(s *streamtest.Source) driver.Source { return unanswering{s} },
		"partitions": func(s *streamtest.Source) driver.Source { return unlisting{s} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log, ledger := streamtest.NewLog(1), newLedger(t)
				log.Append(0, 0, t0, "06:00 a")
				var told strings.Builder
				var last atomic.Pointer[stream.Status]
				opts := often
				opts.Observe = func(s stream.Status) { last.Store(&s) }
				opts.Logger = slog.New(slog.NewTextHandler(&told, nil))
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- stream.Run(ctx, texts(of(log.Source(nil))), ledger.Output(), &opts) }()
				elapse(2 * time.Minute)
				cancel()
				if err := <-ended; err != nil {
					t.Error(err)
				}
				if s := last.Load(); s.Stalled == nil || !strings.Contains(s.Stalled.Error(), "the source has failed") || !errors.Is(s.Stalled, errAway) {
					t.Errorf("stalled %v, want that the source has failed", s.Stalled)
				}
				if s := told.String(); !strings.Contains(s, "the source does not answer") || strings.Contains(s, "upkeep failed") {
					t.Errorf("it says\n%s", s)
				}
			})
		})
	}
}

// An error about lost records once left a person with the offsets, and no idea of what to do.
func TestAnErrorOfLostRecordsSaysWhatToDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), newLedger(t)
		out := ledger.Output()
		out.Hook = func(op string) error {
			if op == "commit" {
				return fmt.Errorf("offsets 5 to 9 are gone: %w", driver.ErrLost)
			}
			return nil
		}
		log.Append(0, 0, t0, "06:00 a")
		err := stream.Run(t.Context(), texts(log.Source(nil)), out, &often)
		if !errors.Is(err, driver.ErrLost) || !strings.Contains(err.Error(), "offsets 5 to 9") || !strings.Contains(err.Error(), "sink.Retire") {
			t.Errorf("got %v, want the offsets and what to do", err)
		}
	})
}
