package join_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/dedup"
	"github.com/onceflow/onceflow/join"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// Instances that all believe to own every lane, as after a rebalance that some of them missed, run dedup and join over
// lanes of two topics; now and then one is stopped and another one begins. Each commit of one voids the work of the
// others. What comes out is what the reference says.
func TestJoinAndDedupUnderFences(t *testing.T) {
	seeds := uint64(150)
	if testing.Short() {
		seeds = 25
	}
	var fenced int64
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) { fenced += fight(t, seed) })
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("fenced %d times", fenced)
	if fenced == 0 {
		t.Error("nobody was ever fenced: the test shows nothing")
	}
}

func fight(t *testing.T, seed uint64) (fenced int64) {
	r := rand.New(rand.NewPCG(seed, 9))
	o := options(r)
	in := arrivals(r, o, false)
	lane := func(e fed) int { return int(e.Key[1]) % 2 }
	log, ledger := streamtest.NewLog(3, 3), streamtest.NewLedger[event](t)
	ledger.Lateness = -1
	w := &war{t: t, log: log, ledger: ledger, r: r, o: o}
	w.begin()
	w.begin()
	copies := 0
	for _, e := range in {
		line, err := json.Marshal(e.event)
		if err != nil {
			t.Fatal(err)
		}
		log.Append(lane(e), e.partition, e.At, string(line))
		if r.IntN(4) == 0 {
			copies++
			log.Append(lane(e), e.partition, e.At, string(line))
		}
		switch r.IntN(6) {
		case 0:
			time.Sleep(time.Duration(r.IntN(25)) * time.Second) //nolint:forbidigo // the clock of the bubble
		case 1:
			w.stop(r.IntN(len(w.running)))
			w.begin()
		}
	}
	log.EndAll()
	time.Sleep(time.Minute) //nolint:forbidigo // the clock of the bubble
	for len(w.running) > 0 {
		w.stop(0)
	}
	w.begin()               // whoever comes last finds nothing left to do, or does it
	time.Sleep(time.Minute) //nolint:forbidigo // the clock of the bubble
	w.stop(0)

	want, unmatched := sortAndScan(in, o)
	var got []string
	for _, e := range ledger.Values() {
		got = append(got, fmt.Sprintf("%d+%d", e.ID, e.Mate))
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("%+v:\n in  %v\n got  %v\n want %v", *o, in, got, want)
	}
	fates := ledger.Counts()
	if fates[stream.Duplicate] != int64(copies) || fates[stream.Filtered] != int64(unmatched) || fates.Sum() != int64(len(in)+copies) {
		t.Errorf("fates %v, want %d duplicates and %d unmatched of %d", fates, copies, unmatched, len(in)+copies)
	}
	return w.fenced
}

// war is the instances of a job.
type war struct {
	t       *testing.T
	log     *streamtest.Log
	ledger  *streamtest.Ledger[event]
	r       *rand.Rand
	o       *join.Options
	running []instance
	fenced  int64
}

type instance struct {
	cancel context.CancelFunc
	ended  chan error
	status *stream.Status
}

func (w *war) begin() {
	ctx, cancel := context.WithCancel(w.t.Context())
	i := instance{cancel, make(chan error, 1), new(stream.Status)}
	p := stream.Via(stream.From(w.log.Source(&streamtest.SourceOptions{Batch: 1 + w.r.IntN(5)})),
		stream.Decode(func(r *stream.Record) (e event, err error) { return e, json.Unmarshal(r.Value, &e) },
			func(e *event) time.Time { return e.At }))
	p = stream.Via(p, dedup.ByID(dedup.NewMemory(nil), (*event).eventID, nil))
	p = stream.Via(p, join.Left((*event).key, (*event).isLeft, (*event).merge, given(w.o, true)))
	opts := &stream.Options{
		CommitEvery: time.Duration(1+w.r.IntN(9)) * time.Second, Parallel: 2, Future: 1 << 62,
		Observe: func(s stream.Status) { *i.status = s },
	}
	out := w.ledger.Output()
	go func() { i.ended <- stream.Run(ctx, p, out, opts) }()
	w.running = append(w.running, i)
	synctest.Wait()
}

func (w *war) stop(n int) {
	i := w.running[n]
	i.cancel()
	if err := <-i.ended; err != nil {
		w.t.Errorf("Run: %v", err)
	}
	w.fenced += i.status.Fenced
	w.running = slices.Delete(w.running, n, n+1)
}
