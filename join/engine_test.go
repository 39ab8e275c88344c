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
	"github.com/onceflow/onceflow/stream/stage"
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

// contest is what a job with a join is compared with.
type contest struct {
	in    func(*rand.Rand, *join.Options) []fed
	stage func(*join.Options) stage.Stage[event, event]
	want  func([]fed, *join.Options) (rows []string, filtered int)
}

// Dedup and join run over lanes of two topics, with every mix of disorder, duplicates, crashes and rebalances. Each commit
// of one instance voids the work of the others. What comes out is what the reference says.
func TestEveryMixOfTroubleEqualsSortAndScan(t *testing.T) {
	everyMix(t, contest{
		func(r *rand.Rand, o *join.Options) []fed { return arrivals(r, o, false) },
		func(o *join.Options) stage.Stage[event, event] {
			return join.Left((*event).key, (*event).isLeft, (*event).merge, given(o, true))
		},
		sortAndScan,
	})
}

// The same for the join whose right events are finished when they are read.
func TestAsOfEqualsTheOracleInEveryMixOfTrouble(t *testing.T) {
	everyMix(t, contest{visits, func(o *join.Options) stage.Stage[event, event] {
		c := given(o, false)
		c.Early = 0
		return asOf(c)
	}, newest})
}

func everyMix(t *testing.T, c contest) {
	seeds := inputs()
	var fenced, crashed, early int64
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			w := fight(t, seed, c)
			fenced, crashed, early = fenced+w.fenced, crashed+w.crashed, early+w.early
		})
		if t.Failed() {
			t.Fatalf("seed %d, %+v", seed, mixOf(seed))
		}
	}
	t.Logf("%d inputs, fenced %d times, crashed %d times, %d rows before the last event", seeds, fenced, crashed, early)
	if fenced == 0 || crashed == 0 || early == 0 {
		t.Error("nobody was ever fenced, none crashed, or nothing came out before the end: the test shows nothing")
	}
}

func fight(t *testing.T, seed uint64, c contest) *war {
	m := mixOf(seed)
	r := rand.New(rand.NewPCG(seed, 9))
	o := options(r)
	in := c.in(r, o)
	if !m.disorder {
		slices.SortStableFunc(in, func(a, b fed) int { return a.At.Compare(b.At) })
	}
	log, ledger := streamtest.NewLog(parts, parts), streamtest.NewLedger[event](t)
	ledger.Lateness, ledger.Now = -1, func() time.Time { return in[0].At.Add(time.Hour) }
	w := &war{t: t, log: log, ledger: ledger, r: r, o: o, stage: c.stage}
	w.confirm(in)
	w.begin()
	if m.rebalances {
		w.begin()
	}
	copies := 0
	for i, e := range in {
		w.append(e)
		if m.duplicates && r.IntN(4) == 0 {
			copies++
			w.append(e)
		}
		w.beat(in, i+1)
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
	for _, e := range ledger.Values() {
		if e.ID > 0 {
			w.early++
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

	want, filtered := c.want(in, o)
	var got []string
	for _, e := range ledger.Values() {
		if e.ID > 0 {
			got = append(got, fmt.Sprintf("%d+%d", e.ID, e.Mate))
		}
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("%+v:\n in  %v\n got  %v\n want %v", *o, in, got, want)
	}
	fates := ledger.Counts()
	if fates[record.Duplicate] != int64(copies) || fates[record.Filtered] != int64(filtered) || fates.Sum() != int64(len(in)+copies+w.beats) {
		t.Errorf("fates %v, want %d duplicates and %d filtered of %d", fates, copies, filtered, len(in)+copies+w.beats)
	}
	return w
}

// parts is the number of partitions of each of the two lanes.
const parts = 3

// laneOf is the lane of an event's key.
func laneOf(e *event) int { return int(e.Key[1]) % 2 }

func (w *war) append(e fed) { w.put(laneOf(&e.event), e.partition, e.event) }

func (w *war) put(lane, partition int, e event) {
	line, err := json.Marshal(e)
	if err != nil {
		w.t.Fatal(err)
	}
	w.log.Append(lane, partition, e.At, string(line))
}

// confirm gives each partition a clock, before all events, and keeps proofs that its log ends from moving it.
func (w *war) confirm(in []fed) {
	first := slices.MinFunc(in, func(a, b fed) int { return a.At.Compare(b.At) }).At.Add(-time.Second)
	for i := range 2 * parts {
		w.log.OpenTransaction(i/parts, i%parts, true)
		for range 16 {
			w.tick(i/parts, i%parts, first)
		}
	}
}

// tick moves the clock of a partition by an event that takes no part.
func (w *war) tick(lane, partition int, at time.Time) {
	w.beats++
	w.put(lane, partition, event{ID: -w.beats, Left: true, At: at})
}

// beat moves clocks of partitions as far ahead of what is still to come there, in[from:], as grace allows.
func (w *war) beat(in []fed, from int) {
	last := slices.MaxFunc(in, func(a, b fed) int { return a.At.Compare(b.At) }).At.Add(w.o.Grace)
	for i := range 2 * parts {
		if w.r.IntN(2) > 0 {
			rest := slices.DeleteFunc(slices.Clone(in[from:]), func(e fed) bool { return laneOf(&e.event) != i/parts })
			w.tick(i/parts, i%parts, ahead(rest, i%parts, w.o.Grace, last))
		}
	}
}

// war is the instances of a job.
type war struct {
	t       *testing.T
	log     *streamtest.Log
	ledger  *streamtest.Ledger[event]
	r       *rand.Rand
	o       *join.Options
	stage   func(*join.Options) stage.Stage[event, event]
	running []instance
	beats   int // events that take no part
	fenced  int64
	crashed int64
	early   int64 // rows that were committed before all events had come
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
	p = stream.Via(p, w.stage(w.o))
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
