package stream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// fragile is a stage that breaks at its k-th call, in whatever lane or run.
type fragile struct {
	mu    *sync.Mutex
	calls *int
	k     int
}

func (f fragile) Open(*stage.Lane) (stage.Processor[text, text], error) { return f, nil }

func (f fragile) call() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if *f.calls++; *f.calls == f.k {
		return errFault
	}
	return nil
}

func (f fragile) Process(ctx context.Context, in []record.Event[text], out *stage.Emitter[text]) error {
	if err := f.call(); err != nil {
		return err
	}
	return passing(ctx, in, out)
}

func (f fragile) Advance(context.Context, time.Time, *stage.Emitter[text]) error { return f.call() }
func (f fragile) Pull(context.Context, *stage.Emitter[text]) error               { return f.call() }

// The process dies in the middle of a stage, at every call: before the join, and behind it.
func TestEveryCallOfAStageMayBeTheLast(t *testing.T) {
	for _, behind := range []bool{false, true} {
		for k := 1; ; k++ {
			f := fragile{new(sync.Mutex), new(int), k}
			synctest.Test(t, func(t *testing.T) {
				log, ledger := feedPaired(), newPairedLedger(t)
				for runs := 0; ; runs++ {
					p := texts(log.Source(nil))
					stages := []stage.Stage[text, text]{f, pairing{10 * time.Minute}}
					if behind {
						slices.Reverse(stages)
					}
					for _, s := range stages {
						p = stream.Via(p, s)
					}
					err := stream.Run(t.Context(), p, ledger.Output(), &stream.Options{CommitEvery: 2 * time.Second, Parallel: 2})
					if err == nil {
						break
					}
					if !errors.Is(err, errFault) || runs > 2 {
						t.Fatal(err)
					}
				}
				checkPaired(t, ledger, fmt.Sprintf("call %d, behind the join %v", k, behind))
			})
			if t.Failed() {
				return
			}
			if *f.calls < k {
				break
			}
			if k > 40 {
				k += 9 // the rest is more of the same
			}
		}
	}
}

// lastWords is a stage that remembers the words of the last hour, and adds to each how many there are.
type lastWords struct{ seen map[string]time.Time }

func (lastWords) Open(*stage.Lane) (stage.Processor[text, text], error) {
	return lastWords{map[string]time.Time{}}, nil
}

func (l lastWords) Process(_ context.Context, in []record.Event[text], out *stage.Emitter[text]) error {
	for _, e := range in {
		l.seen[e.Value.word] = e.Time
		n := 0
		for _, at := range l.seen {
			if at.After(e.Time.Add(-time.Hour)) {
				n++
			}
		}
		out.Emit(record.Derive(&e, text{e.Value.at, fmt.Sprintf("%s/%d", e.Value.word, n)}))
	}
	return nil
}

func (lastWords) Warmup() time.Duration { return time.Hour }

func (l lastWords) Warm(_ context.Context, in []record.Event[text], _ *stage.Emitter[text]) error {
	for _, e := range in {
		l.seen[e.Value.word] = e.Time
	}
	return nil
}

func TestStateOfFinishedRecordsComesBackByWarmUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), newLedger(t)
		log.OpenTransaction(0, 0, true)
		for _, v := range []string{"06:00 a", "06:01 b", "06:59 c", "07:01 d"} {
			e, err := parseText(&record.Record{Value: []byte(v)})
			if err != nil {
				t.Fatal(err)
			}
			log.Append(0, 0, e.at, v)
		}
		startJob(t, log.Source(nil), ledger.Output(), often, lastWords{}).mustStop()
		j := startJob(t, log.Source(nil), ledger.Output(), often, lastWords{}, pairing{forever})
		log.Append(0, 0, t0.Add(62*time.Minute), "07:02 e")
		synctest.Wait()
		j.mustStop()
		j = startJob(t, log.Source(nil), ledger.Output(), often, lastWords{})
		j.mustStop()
		// a and b are more than an hour before e; c, d and e count. e was pending in the second run.
		wantWords(t, ledger, "a/1", "b/2", "c/3", "d/2", "e/3")
	})
}
