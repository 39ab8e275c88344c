package join_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/dedup"
	"github.com/onceflow/onceflow/join"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// mix is what goes wrong in a run, beside the many partitions of two topics.
type mix struct {
	disorder   bool // events come in another order than their times; else in that of all partitions
	duplicates bool // events come twice
	crashes    bool // an instance dies in the middle of a transaction
	rebalances bool // several instances believe to own every lane, as when some missed a rebalance, or come and go
}

// mixOf gives each of the sixteen in turn.
func mixOf(seed uint64) mix { return mix{seed&1 > 0, seed&2 > 0, seed&4 > 0, seed&8 > 0} }

// Dedup and join run over lanes of two topics, with every mix of disorder, duplicates, crashes and rebalances. Each commit
// of one instance voids the work of the others. What comes out is what the reference says.
func TestEveryMixOfTroubleEqualsSortAndScan(t *testing.T) {
	seeds := inputs()
	var fenced, crashed int64
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			w := fight(t, seed)
			fenced, crashed = fenced+w.fenced, crashed+w.crashed
		})
		if t.Failed() {
			t.Fatalf("seed %d, %+v", seed, mixOf(seed))
		}
	}
	t.Logf("%d inputs, fenced %d times, crashed %d times", seeds, fenced, crashed)
	if fenced == 0 || crashed == 0 {
		t.Error("nobody was ever fenced, or none crashed: the test shows nothing")
	}
}

func fight(t *testing.T, seed uint64) *war {
	m := mixOf(seed)
	r := rand.New(rand.NewPCG(seed, 9))
	o := options(r)
	in := arrivals(r, o, false)
	if !m.disorder {
		slices.SortStableFunc(in, func(a, b fed) int { return a.At.Compare(b.At) })
	}
	lane := func(e fed) int { return int(e.Key[1]) % 2 }
	log, ledger := streamtest.NewLog(3, 3), streamtest.NewLedger[event](t)
	ledger.Lateness = -1
	w := &war{t: t, log: log, ledger: ledger, r: r, o: o}
	w.begin()
	if m.rebalances {
		w.begin()
	}
	copies := 0
	for _, e := range in {
		line, err := json.Marshal(e.event)
		if err != nil {
			t.Fatal(err)
		}
		log.Append(lane(e), e.partition, e.At, string(line))
		if m.duplicates && r.IntN(4) == 0 {
			copies++
			log.Append(lane(e), e.partition, e.At, string(line))
		}
		switch r.IntN(6) {
		case 0:
			time.Sleep(time.Duration(r.IntN(25)) * time.Second) //nolint:forbidigo // the clock of the bubble
		case 1:
			if m.rebalances {
				w.stop(r.IntN(len(w.running)))
				w.begin()
			}
		case 2:
			if m.crashes {
				w.crash(r.IntN(len(w.running)))
				w.begin()
			}
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
	if fates[record.Duplicate] != int64(copies) || fates[record.Filtered] != int64(unmatched) || fates.Sum() != int64(len(in)+copies) {
		t.Errorf("fates %v, want %d duplicates and %d unmatched of %d", fates, copies, unmatched, len(in)+copies)
	}
	return w
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
	crashed int64
}

type instance struct {
	cancel context.CancelFunc
	ended  chan error
	status *stream.Status
	dead   *atomic.Bool // its output does nothing any more
}

var errDead = errors.New("the process is dead")

func (w *war) begin() {
	ctx, cancel := context.WithCancel(w.t.Context())
	i := instance{cancel, make(chan error, 1), new(stream.Status), new(atomic.Bool)}
	p := stream.Via(stream.From(w.log.Source(&streamtest.SourceOptions{Batch: 1 + w.r.IntN(5)})),
		stream.Decode(func(r *record.Record) (e event, err error) { return e, json.Unmarshal(r.Value, &e) },
			func(e *event) time.Time { return e.At }))
	p = stream.Via(p, dedup.ByID(dedup.NewMemory(nil), (*event).eventID, nil))
	p = stream.Via(p, join.Left((*event).key, (*event).isLeft, (*event).merge, given(w.o, true)))
	opts := &stream.Options{
		CommitEvery: time.Duration(1+w.r.IntN(9)) * time.Second, Parallel: 2, Future: 1 << 62,
		Observe: func(s stream.Status) { *i.status = s },
	}
	out := w.ledger.Output()
	out.Hook = func(string) error {
		if i.dead.Load() {
			return errDead
		}
		return nil
	}
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

// crash ends an instance so that nothing of its open transaction remains.
func (w *war) crash(n int) {
	i := w.running[n]
	i.dead.Store(true)
	i.cancel()
	if err := <-i.ended; err != nil && !errors.Is(err, errDead) {
		w.t.Errorf("Run: %v", err)
	}
	w.crashed++
	w.running = slices.Delete(w.running, n, n+1)
}
