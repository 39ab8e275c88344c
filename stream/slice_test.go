package stream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// sliceSize is how many events an engine may process between the request of a cut and the cut.
const sliceSize = 128

// slow is a stage that takes a while for each event, and counts them.
type slow struct {
	takes time.Duration
	done  *atomic.Int64
}

func (s slow) Open(*stage.Lane) (stage.Processor[text, text], error) { return s, nil }

func (s slow) Process(ctx context.Context, in []record.Event[text], out *stage.Emitter[text]) error {
	for _, e := range in {
		elapse(s.takes)
		s.done.Add(1)
		out.Emit(e)
	}
	return nil
}

// fill appends n records to a log of one lane, and returns their words.
func fill(log *streamtest.Log, n int) (words []string) {
	for i := range n {
		word := fmt.Sprintf("w%05d", i)
		log.Append(0, 0, t0, fmt.Sprintf("06:%02d %s", i%60, word))
		words = append(words, word)
	}
	return words
}

// A cut once waited for the end of a batch: 46 s for a piece of 256 KiB of a file, with a stage that takes 20 ms an event.
func TestCutsAreMadeWithinABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), newLedger(t)
		all := fill(log, 5000) // 100 s, in one batch
		out, stage := ledger.Output(), slow{20 * time.Millisecond, new(atomic.Int64)}
		j := startJob(t, log.Source(&streamtest.SourceOptions{Batch: len(all)}), out, often, stage)
		elapse(95 * time.Second)
		if got, want := j.now().Commits, int64(6); got < want {
			t.Errorf("%d commits within a batch of 100 s, want at least %d at %v each", got, want, every)
		}
		if n := stage.done.Load(); n >= 5000 {
			t.Fatalf("the batch is over after %d events, so nothing was tested", n)
		}
		for _, cut := range ledger.Cuts() {
			for _, l := range cut.Lanes {
				if read := l.Read[log.Partition(0, 0)]; read == 0 || read > int64((every+every/10)/stage.takes)+sliceSize {
					t.Errorf("a cut of %d records, want what takes %v and at most a slice more", read, every)
				}
			}
		}
		elapse(every)
		j.mustStop()
		wantWords(t, ledger, all...)
	})
}

// Between two slices: the job ends, the rest of the batch is thrown away, and the next run reads it and nothing else.
func TestShutdownWithinABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), newLedger(t)
		all := fill(log, 1000)
		stage := slow{20 * time.Millisecond, new(atomic.Int64)}
		src := log.Source(&streamtest.SourceOptions{Batch: len(all)})
		j := startJob(t, src, ledger.Output(), often, stage)
		elapse(5 * time.Second)
		before := stage.done.Load()
		j.mustStop()
		n := stage.done.Load()
		if n-before > sliceSize || n >= 1000 {
			t.Errorf("%d events were processed after the end of the context, want at most %d", n-before, sliceSize)
		}
		wantWords(t, ledger, all[:n]...)
		if src.Released != 1 {
			t.Errorf("%d batches were released, want 1", src.Released)
		}
		startJob(t, log.Source(nil), ledger.Output(), often).mustStop()
		wantWords(t, ledger, all...)
	})
}

func TestRevocationWithinABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), newLedger(t)
		all := fill(log, 1000)
		stage := slow{20 * time.Millisecond, new(atomic.Int64)}
		src := log.Source(&streamtest.SourceOptions{Batch: len(all)})
		j := startJob(t, src, ledger.Output(), often, stage)
		elapse(5 * time.Second)
		before := stage.done.Load()
		src.Revoke(time.Now().Add(5*time.Second), "lane-0")
		elapse(5 * time.Second)
		n := stage.done.Load()
		if n-before > sliceSize || n >= 1000 {
			t.Errorf("%d events were processed after the revocation, want at most %d", n-before, sliceSize)
		}
		wantWords(t, ledger, all[:n]...)
		if src.Released != 1 {
			t.Errorf("%d batches were released, want 1", src.Released)
		}
		startJob(t, log.Source(nil), ledger.Output(), often).mustStop()
		j.mustStop()
		wantWords(t, ledger, all...)
	})
}

// The next owner crashes within a batch, between a commit and the next slice, so what it committed is where others begin.
func TestACrashWithinABatchLosesAndDoublesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(2), newLedger(t)
		all := fill(log, 700)
		for i := range 700 {
			log.Append(0, 1, t0, fmt.Sprintf("06:%02d x%05d", i%60, i))
			all = append(all, fmt.Sprintf("x%05d", i))
		}
		crash := errors.New("crash")
		for run := 0; ; run++ {
			var n atomic.Int64
			st := stream.Func[text, text](func(ctx context.Context, in []record.Event[text], out *stage.Emitter[text]) error {
				elapse(11 * time.Second) // a slice for each commit
				if n.Add(1) > 3 {
					return crash
				}
				return passing(ctx, in, out)
			})
			log.EndAll()
			j := startJob(t, log.Source(&streamtest.SourceOptions{Batch: 500}), ledger.Output(), often, st)
			if err := <-j.ended; err == nil {
				break
			} else if !errors.Is(err, crash) {
				t.Fatal(err)
			}
			if run > 20 {
				t.Fatal("no run gets any further")
			}
		}
		wantWords(t, ledger, all...)
	})
}

// After the end of the source nothing was once committed until all queues were empty.
func TestCommitsGoOnWhileTheQueuesOfASourceThatEndedAreWorkedOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1, 1), newLedger(t)
		all := fill(log, 3000)
		log.EndAll()
		stage := slow{20 * time.Millisecond, new(atomic.Int64)} // a minute
		j := startJob(t, log.Source(&streamtest.SourceOptions{Batch: 100}), ledger.Output(), often, stage)
		elapse(55 * time.Second)
		if got := j.now().Commits; got < 4 {
			t.Errorf("%d commits in 55 s, want one each %v", got, every)
		}
		if n := stage.done.Load(); n >= 3000 {
			t.Fatalf("all %d events are processed, so nothing was tested", n)
		}
		if err := <-j.ended; err != nil {
			t.Error(err)
		}
		wantWords(t, ledger, all...)
	})
}

// A source that ends is shut down while its queues are full: what was finished is committed at once.
func TestShutdownWhileTheQueuesOfASourceThatEndedAreWorkedOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), newLedger(t)
		all := fill(log, 3000)
		log.EndAll()
		stage := slow{20 * time.Millisecond, new(atomic.Int64)}
		j := startJob(t, log.Source(&streamtest.SourceOptions{Batch: 100}), ledger.Output(), often, stage)
		elapse(5 * time.Second)
		before := stage.done.Load()
		j.mustStop()
		if n := stage.done.Load(); n-before > sliceSize {
			t.Errorf("%d events were processed after the end of the context, want at most %d", n-before, sliceSize)
		}
		got := words(ledger.Rows())
		if int64(len(got)) != stage.done.Load() || !slices.Equal(got, all[:len(got)]) {
			t.Errorf("%d rows of %d processed events", len(got), stage.done.Load())
		}
	})
}
