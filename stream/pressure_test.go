package stream_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// big is a record of n bytes.
func big(word string, n int) string { return "06:00 " + word + strings.Repeat(".", n) }

func TestALaneWhoseQueueIsFullIsPaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1, 1), newLedger(t)
		src := log.Source(&streamtest.SourceOptions{Batch: 1})
		stage := newBlocking()
		for i := range 40 {
			log.Append(0, 0, t0, big(fmt.Sprint("a", i), 100_000))
		}
		opts := often
		opts.Memory = 8 << 20 // a sixteenth for the queue of each of two lanes
		j := startJob(t, src, ledger.Output(), opts, stage)
		if got := src.Paused(); !slices.Equal(got, []string{"lane-0"}) {
			t.Fatalf("%v are paused, want [lane-0]", got)
		}
		if got := src.Polled; got > 15 {
			t.Errorf("polled %d times, want a queue of about half a MiB", got)
		}
		log.Append(1, 0, t0, "06:00 b") // the other lane goes on
		synctest.Wait()
		if got := len(stage.entered); got != 2 {
			t.Errorf("%d lanes are in the stage, want 2", got)
		}
		go func() {
			for range stage.entered { // let the stage run freely
			}
		}()
		close(stage.gate)
		synctest.Wait()
		if got := src.Paused(); len(got) != 0 {
			t.Errorf("%v are paused, want none", got)
		}
		j.mustStop()
		if got := len(ledger.Rows()); got != 41 {
			t.Errorf("%d rows, want 41", got)
		}
		close(stage.entered)
	})
}

// buffering counts what it was given against the job's budget until the commit, as an output with buffers does.
type buffering struct {
	*streamtest.Output[text]
	bytes int64
}

func (b *buffering) Begin(after driver.Txn[text]) driver.Txn[text] {
	if after != nil {
		after = after.(*bufferingTxn).Txn
	}
	return &bufferingTxn{Txn: b.Output.Begin(after), b: b}
}

type bufferingTxn struct {
	driver.Txn[text]
	b *buffering
	n int64
}

func (x *bufferingTxn) Write(ctx context.Context, w driver.Writer, rows []record.Event[text], fates []record.Fate) ([]driver.BadRow, error) {
	n := int64(len(rows)) * x.b.bytes
	x.n += n
	x.b.Job().Budget.Add(n)
	return x.Txn.Write(ctx, w, rows, fates)
}

func (x *bufferingTxn) Commit(ctx context.Context, cut driver.Cut) (driver.Committed, error) {
	defer x.b.Job().Budget.Add(-x.n)
	return x.Txn.Commit(ctx, cut)
}

func TestMemoryOverItsLimitCommitsEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), newLedger(t)
		src := log.Source(&streamtest.SourceOptions{Batch: 1})
		out := &buffering{Output: ledger.Output(), bytes: 100_000}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		opts := stream.Options{CommitEvery: time.Hour, Memory: 1 << 20, Parallel: 1}
		go func() { ended <- stream.Run(ctx, texts(src), out, &opts) }()
		for i := range 50 {
			log.Append(0, 0, t0, fmt.Sprintf("06:00 a%d", i))
			synctest.Wait()
			if used := out.Job().Budget.Used(); used > 2<<20 {
				t.Fatalf("%d bytes are in use, want about %d at most", used, opts.Memory)
			}
		}
		if got := len(ledger.Cuts()); got < 3 || got > 7 {
			t.Errorf("%d commits, want about 5", got)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if got := len(ledger.Rows()); got != 50 {
			t.Errorf("%d rows, want 50", got)
		}
		if used := out.Job().Budget.Used(); used != 0 {
			t.Errorf("%d bytes are in use at the end, want 0", used)
		}
	})
}

// Pending records leave by newer records only. A job that stopped reading because of them would never go on.
func TestPendingRecordsOverTheLimitDoNotStopReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), newLedger(t)
		log.OpenTransaction(0, 0, true) // the end is not provable: only records move event time
		opts := often
		opts.Memory = 1 << 20
		j := startJob(t, log.Source(nil), ledger.Output(), opts, pairing{30 * time.Minute})
		for i := range 30 {
			log.Append(0, 0, t0, big(fmt.Sprintf("a%d.", i), 100_000)+"1")
		}
		elapse(time.Minute)
		for range 16 { // as many as it takes to confirm that time has gone on
			log.Append(0, 0, t0, "06:40 b")
		}
		elapse(time.Minute)
		if !strings.Contains(j.logged(), "pending records need more than Options.Memory") {
			t.Errorf("no warning in\n%s", j.logged())
		}
		if got := len(ledger.Rows()); got != 30 {
			t.Errorf("%d rows, want 30", got)
		}
		if got := j.now(); got.Pending != 16 || got.Bytes > 16_000 {
			t.Errorf("%d bytes are in use for %d pending records, want little for 16", got.Bytes, got.Pending)
		}
		j.mustStop()
	})
}

func TestCommitBytesCommitsEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), newLedger(t)
		opts := stream.Options{CommitEvery: time.Hour, CommitBytes: 500}
		j := startJob(t, log.Source(nil), ledger.Output(), opts)
		for i := range 4 {
			log.Append(0, 0, t0, fmt.Sprintf("06:0%d a", i))
		}
		synctest.Wait()
		if got := len(ledger.Cuts()); got != 0 {
			t.Errorf("%d commits of 400 bytes, want 0", got)
		}
		log.Append(0, 0, t0, "06:04 a")
		synctest.Wait()
		if got := len(ledger.Cuts()); got != 1 {
			t.Errorf("%d commits of 500 bytes, want 1", got)
		}
		if !strings.Contains(j.logged(), "msg=commit instance=me lanes=1 records=5 pending=0 bytes=500 reason=bytes took=0s") {
			t.Errorf("no line about the commit in\n%s", j.logged())
		}
		j.mustStop()
	})
}

// While a commit is slow the next transaction fills, and no second commit begins beside it.
func TestTheNextTransactionFillsWhileOneCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), newLedger(t)
		out := ledger.Output()
		beside := 0
		out.Hook = func(op string) error {
			if op == "commit" {
				if beside++; beside > 1 {
					t.Error("two commits at once")
				}
				elapse(15 * time.Second)
				beside--
			}
			return nil
		}
		opts := often
		opts.Shutdown = time.Minute
		j := startJob(t, log.Source(nil), out, opts)
		log.Append(0, 0, t0, "06:00 a")
		elapse(12 * time.Second)
		log.Append(0, 0, t0, "06:01 b")
		synctest.Wait()
		elapse(1500 * time.Millisecond)
		if got := j.now(); got.Read != 2 || got.Commits != 0 {
			t.Errorf("%d records read and %d commits, want 2 while the first commit is under way", got.Read, got.Commits)
		}
		elapse(time.Minute)
		wantWords(t, ledger, "a", "b")
		j.mustStop()
	})
}
