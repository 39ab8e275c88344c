package stream_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// Nothing was once committed while an hour closed, which on a far store takes a closer that has just started 14 s.
func TestCommitsGoOnWhileUpkeepTakesLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), newLedger(t)
		out, upkeeps := ledger.Output(), atomic.Int64{}
		out.Hook = func(op string) error {
			if op == "maintain" && upkeeps.Add(1) <= 2 {
				elapse(10 * every)
			}
			return nil
		}
		j := startJob(t, log.Source(nil), out, often)
		elapse(every / 2)
		if n := upkeeps.Load(); n != 1 {
			t.Fatalf("upkeep has begun %d times, want once", n)
		}
		for i, want := range [][]string{{"a"}, {"a", "b"}, {"a", "b", "c"}} {
			log.Append(0, 0, t0, "06:00 "+want[i])
			elapse(2 * every)
			wantWords(t, ledger, want...)
		}
		if n := upkeeps.Load(); n != 1 {
			t.Errorf("upkeep has begun %d times, want that the first is still under way", n)
		}
		elapse(4 * every)
		if n := upkeeps.Load(); n != 2 {
			t.Errorf("upkeep has begun %d times, want again at once, since there were commits", n)
		}
		elapse(10 * every)
		j.mustStop()
	})
}

// A job whose source had ended once took the word of an upkeep that had begun before the last commit, or of the one before
// an upkeep that failed, and ended with hours unsealed that this commit had made ready.
func TestTheEndWaitsForUpkeepThatHasSeenTheLastCommit(t *testing.T) {
	for name, fails := range map[string]bool{"it had begun before": false, "it fails": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log, ledger := streamtest.NewLog(1), newLedger(t)
				out, after := ledger.Output(), 0
				var slow atomic.Bool
				out.Hook = func(op string) error {
					if op != "maintain" {
						return nil
					}
					if slow.CompareAndSwap(true, false) {
						elapse(3 * every)
						return nil
					}
					if len(ledger.Rows()) > 0 {
						if after++; after == 1 && fails {
							return errors.New("store is away")
						}
					}
					return nil
				}
				slow.Store(!fails)
				j := startJob(t, log.Source(nil), out, stream.Options{CommitEvery: every, Parallel: 1})
				elapse(every / 2) // the first upkeep has ended, or is under way
				log.Append(0, 0, t0, "06:00 a")
				log.EndAll()
				if err := <-j.ended; err != nil {
					t.Error(err)
				}
				if want := map[bool]int{false: 1, true: 2}[fails]; after < want {
					t.Errorf("%d upkeeps have begun since the last commit, want %d", after, want)
				}
			})
		})
	}
}

// oneAtATime is an output whose upkeep waits while a commit is under way, as the sink's may for the ledger.
type oneAtATime struct {
	*streamtest.Output[text]
	turn  chan struct{} // synctest knows who waits for a channel, not for a mutex
	hangs atomic.Bool   // commits, until they are told to end
}

type hanging struct {
	driver.Txn[text]
	out *oneAtATime
}

func (o *oneAtATime) Begin(after driver.Txn[text]) driver.Txn[text] {
	if t, ok := after.(*hanging); ok {
		after = t.Txn
	}
	return &hanging{o.Output.Begin(after), o}
}

func (t *hanging) Commit(ctx context.Context, cut driver.Cut) (driver.Committed, error) {
	t.out.turn <- struct{}{}
	defer func() { <-t.out.turn }()
	if !t.out.hangs.Load() {
		return t.Txn.Commit(ctx, cut)
	}
	<-ctx.Done()
	return driver.Committed{}, errors.Join(ctx.Err(), t.Drop(ctx))
}

func (o *oneAtATime) Maintain(ctx context.Context, list func(context.Context) ([]record.Partition, error)) (driver.Upkeep, error) {
	o.turn <- struct{}{}
	defer func() { <-o.turn }()
	return o.Output.Maintain(ctx, list)
}

// A revocation whose deadline passed once waited for upkeep, which waited for the commit that hung, which nobody ended.
func TestARevocationDoesNotWaitForUpkeepThatWaitsForACommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1, 1), newLedger(t)
		src, out := log.Source(nil), &oneAtATime{Output: ledger.Output(), turn: make(chan struct{}, 1)}
		out.hangs.Store(true)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- stream.Run(ctx, texts(src), out, &often) }()
		log.Append(0, 0, t0, "06:00 a")
		log.Append(1, 0, t0, "06:00 b")
		elapse(2 * every) // the commit hangs, and upkeep waits for it
		out.hangs.Store(false)
		src.Revoke(time.Now().Add(3*time.Second), "lane-0")
		elapse(4*time.Second + 2*every)
		wantWords(t, ledger, "b")
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
