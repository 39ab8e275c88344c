package stream_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
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

var errAway = errors.New("the store is away")

// A commit that failed four times, upkeep that failed for two minutes and lanes that could not be acquired for as long once
// ended the job: an outage of a store, at night, had to be met by a person.
func TestAnOutageIsWaitedOut(t *testing.T) {
	for _, ops := range []string{"commit", "maintain", "acquire commit", "now", "acquire commit maintain now"} {
		t.Run(ops, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log, ledger := streamtest.NewLog(1, 1), newLedger(t)
				out := ledger.Output()
				var away atomic.Bool
				var calls atomic.Int64
				out.Hook = func(op string) error {
					if away.Load() && strings.Contains(ops, op) {
						calls.Add(1)
						return errAway
					}
					return nil
				}
				j := startJob(t, log.Source(nil), out, often)
				log.Append(0, 0, t0, "06:00 a")
				log.Append(1, 0, t0, "06:00 b")
				elapse(2 * every)
				away.Store(true)
				log.Append(0, 0, t0, "06:01 c")
				for range 60 {
					log.Append(1, 0, t0, "06:01 d")
					elapse(time.Minute)
				}
				if s := j.now(); s.Stalled == nil || !strings.Contains(s.Stalled.Error(), errAway.Error()) {
					t.Errorf("stalled %v, want it to tell of the outage", s.Stalled)
				}
				if n := calls.Load(); n < 60 || n > 4000 {
					t.Errorf("%d calls in an hour, want some a minute", n)
				}
				away.Store(false)
				elapse(time.Minute + 2*every)
				if s := j.now(); s.Stalled != nil {
					t.Errorf("stalled %v, want healthy", s.Stalled)
				}
				j.mustStop()
				if got := len(ledger.Rows()); got != 63 {
					t.Errorf("%d rows, want 63", got)
				}
				if !strings.Contains(j.logged(), errAway.Error()) {
					t.Errorf("no line about it in\n%s", j.logged())
				}
			})
		})
	}
}

// brokenWrites is an output whose transactions cannot be written to for a while.
type brokenWrites struct {
	*streamtest.Output[text]
	n, from, to atomic.Int64 // calls of Write, and those that fail
	err         error
}

type brokenTxn struct {
	driver.Txn[text]
	out *brokenWrites
}

func (o *brokenWrites) Begin(after driver.Txn[text]) driver.Txn[text] {
	if t, ok := after.(*brokenTxn); ok {
		after = t.Txn
	}
	return &brokenTxn{o.Output.Begin(after), o}
}

func (t *brokenTxn) Write(ctx context.Context, w driver.Writer, rows []record.Event[text], fates []record.Fate) ([]driver.BadRow, error) {
	if n := t.out.n.Add(1); n >= t.out.from.Load() && n < t.out.to.Load() {
		return nil, t.out.err
	}
	return t.Txn.Write(ctx, w, rows, fates)
}

// A store that was away while rows were written once ended the job. The transaction is spoilt, and what was read for it, in
// all lanes and stages; it is all read again.
func TestWritesThatFailAreDoneAgain(t *testing.T) {
	for from := int64(1); from < 20; from++ {
		synctest.Test(t, func(t *testing.T) {
			log, ledger := feedPaired(), newPairedLedger(t)
			out := &brokenWrites{Output: ledger.Output(), err: errAway}
			out.from.Store(from)
			out.to.Store(from + 3)
			p := stream.Via(texts(log.Source(nil)), pairing{10 * time.Minute})
			err := stream.Run(t.Context(), p, out, &stream.Options{CommitEvery: 2 * time.Second, Parallel: 2})
			if err != nil {
				t.Errorf("Run: %v", err)
			}
			checkPaired(t, ledger, fmt.Sprintf("writes %d to %d fail", from, from+2))
		})
	}
}

// Lanes come and go while nothing can be written.
func TestLanesMoveWhileWritesFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1, 1), newLedger(t)
		src, out := log.Source(&streamtest.SourceOptions{Lanes: []string{"lane-0"}}), &brokenWrites{Output: ledger.Output(), err: errAway}
		out.to.Store(1 << 60)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- stream.Run(ctx, texts(src), out, &often) }()
		log.Append(0, 0, t0, "06:00 a")
		log.Append(1, 0, t0, "06:00 b")
		elapse(every)
		src.Assign("lane-1")
		elapse(3 * every)
		src.Revoke(time.Now().Add(time.Second), "lane-0")
		elapse(3 * every)
		out.to.Store(0)
		elapse(3 * every)
		wantWords(t, ledger, "b")
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestErrorsForAPersonEndTheJobAtOnce(t *testing.T) {
	for _, op := range []string{"acquire", "commit", "maintain", "write"} {
		for _, why := range []error{driver.ErrStop, driver.ErrLost} {
			synctest.Test(t, func(t *testing.T) {
				log, ledger := streamtest.NewLog(1), newLedger(t)
				damaged := fmt.Errorf("the ledger is damaged: %w", why)
				out, n := &brokenWrites{Output: ledger.Output(), err: damaged}, 0
				out.Hook = func(o string) error {
					if o == op {
						n++
						return damaged
					}
					return nil
				}
				if op == "write" {
					out.to.Store(1 << 60)
					n = 1
				}
				log.Append(0, 0, t0, "06:00 a")
				if err := stream.Run(t.Context(), texts(log.Source(nil)), out, &often); !errors.Is(err, damaged) || n != 1 {
					t.Errorf("%s: got %v after %d calls, want the error after one", op, err, n)
				}
			})
		}
	}
}

// unanswering is a source that does not say whether logs have ended.
type unanswering struct{ *streamtest.Source }

func (unanswering) AtEnd(context.Context, map[record.Partition]record.Position) ([]record.Partition, error) {
	return nil, errAway
}

// Upkeep of the output once waited until the source could prove ends again: nothing was published or sealed meanwhile.
func TestUpkeepGoesOnWithoutAnswersOfTheSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), newLedger(t)
		out := ledger.Output()
		var upkeeps atomic.Int64
		out.Hook = func(op string) error {
			if op == "maintain" {
				upkeeps.Add(1)
			}
			return nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		clocks := &clockReader{Processor: passing}
		go func() {
			ended <- stream.Run(ctx, stream.Via(texts(unanswering{log.Source(nil)}), stage.Stage[text, text](clocks)), out, &often)
		}()
		for i := range 60 { // a minute apart, so that no event time is a jump
			log.Append(0, 0, t0, fmt.Sprintf("06:%02d a", i))
		}
		elapse(time.Hour)
		if n := upkeeps.Load(); n < 60 {
			t.Errorf("%d upkeeps in an hour, want some a minute", n)
		}
		if len(clocks.told()) == 0 {
			t.Error("the stage was not told what is committed")
		}
		log.EndAll()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		cancel()
		if got := len(ledger.Rows()); got != 60 {
			t.Errorf("%d rows, want 60", got)
		}
	})
}

// The end of a finite source once ended with an error when the output was away for a minute.
func TestTheEndWaitsForAnOutputThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), newLedger(t)
		out := ledger.Output()
		began := time.Now()
		out.Hook = func(op string) error {
			if op == "maintain" && time.Since(began) < time.Hour {
				return errAway
			}
			return nil
		}
		log.Append(0, 0, t0, "06:00 a")
		log.EndAll()
		runToEnd(t, texts(log.Source(nil)), out, nil)
		wantWords(t, ledger, "a")
	})
}
