package join_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/dedup"
	"github.com/onceflow/onceflow/join"
	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// A whole job on a store in memory is killed at calls of the store, before or after they take effect, until it has passed
// the end of its logs. The files of the joined flow have what the oracle says, those of the raw flow each event.
func TestAJobWithAsOfThatIsKilledEqualsTheOracle(t *testing.T) {
	seeds := inputs() / 10
	kills := 0
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) { kills += killed(t, seed) })
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("%d jobs, %d kills", seeds, kills)
	if kills < int(seeds) {
		t.Error("few jobs were killed: the test shows little")
	}
}

func killed(t *testing.T, seed uint64) (kills int) {
	r := rand.New(rand.NewPCG(seed, 13))
	o := asOfOptions(r)
	in := visits(r, o)
	begun := time.Now()
	last := slices.MaxFunc(in, func(a, b fed) int { return a.At.Compare(b.At) }).At
	mem := &sinktest.Memory{Clock: func() time.Time { return last.Add(time.Minute + time.Since(begun)) }}
	w := &war{t: t, log: streamtest.NewLog(parts, parts), r: r, o: o}
	w.confirm(in)
	for next, done := 0, false; !done; {
		for range min(len(in)-next, r.IntN(12)) { // what comes until the next kill
			w.append(in[next])
			next++
			w.beat(in, next)
		}
		if next == len(in) {
			w.log.EndAll()
		}
		k, mode := r.IntN(60), []sinktest.Mode{sinktest.Crash, sinktest.ApplyThenCrash}[r.IntN(2)]
		if kills > 20 {
			k = 1 << 30
		}
		store := sinktest.FailAt(mem, k, mode)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		err := job(ctx, store, w)
		done = err == nil && ctx.Err() == nil
		cancel()
		if store.Crashed() {
			kills++
		} else if err != nil {
			t.Fatalf("Run: %v", err)
		}
	}
	want, _ := newest(in, o)
	if got := written(t, mem, "joined"); !slices.Equal(got, want) {
		t.Errorf("%+v, %d kills:\n in  %v\n got  %v\n want %v", *o, kills, in, got, want)
	}
	want = nil
	for _, e := range in {
		want = append(want, fmt.Sprintf("%d+0", e.ID))
	}
	slices.Sort(want)
	if got := written(t, mem, "raw"); !slices.Equal(got, want) {
		t.Errorf("%+v, %d kills:\n in  %v\n got  %v\n want %v", *o, kills, in, got, want)
	}
	return kills
}

// job runs until its logs end, ctx does or the store crashes.
func job(ctx context.Context, store sink.Store, w *war) error {
	flows := []sink.Flow[event]{
		{Name: "raw", Where: func(e *event) bool { return e.ID > 0 && e.Raw }, Format: format.JSONLines[event]()},
		{Name: "joined", Where: func(e *event) bool { return e.ID > 0 && !e.Raw }, Format: format.JSONLines[event]()},
	}
	files, err := sink.Open(ctx, store, "asof", flows, nil)
	if err != nil {
		return err
	}
	p := stream.Via(stream.From(w.log.Source(&streamtest.SourceOptions{Batch: 1 + w.r.IntN(5)})), stream.Decode(parseEvent, (*event).time))
	p = stream.Via(p, dedup.ByID(dedup.NewMemory(nil), (*event).eventID, nil))
	p = stream.Via(p, stream.FlatMap(func(e *event, yield func(event)) error {
		raw := *e
		raw.Raw = true
		yield(raw)
		yield(*e)
		return nil
	}))
	p = stream.Via(p, asOf(given(w.o, false)))
	return stream.Run(ctx, p, seal.Hourly(files, nil), &stream.Options{CommitEvery: 200 * time.Millisecond, Parallel: 2})
}

func parseEvent(r *record.Record) (e event, err error) { return e, json.Unmarshal(r.Value, &e) }

func (e *event) time() time.Time { return e.At }

// written are the rows in the files of a flow, also of late ones.
func written(t *testing.T, store sink.Store, flow string) (rows []string) {
	t.Helper()
	for o, err := range store.List(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(o.Key, flow+"/") || !strings.HasSuffix(o.Key, ".jsonl") {
			continue
		}
		body, err := store.Read(t.Context(), o.Key, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(body) {
			var e event
			if err := json.Unmarshal(line, &e); err != nil {
				t.Fatalf("%s: %v", o.Key, err)
			}
			rows = append(rows, fmt.Sprintf("%d+%d", e.ID, e.Mate))
		}
	}
	slices.Sort(rows)
	return rows
}

// A stage behind holds a left event for an hour. After a crash the event passes the as-of join again, which needs right events
// that are older than event time says.
func TestAStageBehindAsOfMayHoldForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, ledger := streamtest.NewLog(1), streamtest.NewLedger[event](t)
		ledger.Lateness, ledger.Now = -1, func() time.Time { return t0.Add(time.Hour) }
		log.OpenTransaction(0, 0, true)
		w := &war{t: t, log: log, ledger: ledger}
		for i := range 16 {
			w.put(0, 0, event{ID: -i - 1, At: t0.Add(-time.Second)})
		}
		w.put(0, 0, event{ID: 1, Key: "a", At: t0})
		w.put(0, 0, event{ID: 2, Key: "a", Left: true, At: t0.Add(time.Second)})
		for m := range 6 {
			w.put(0, 0, event{ID: -100 - m, At: t0.Add(time.Duration(m+1) * 4 * time.Minute)})
		}
		again := func(s stream.Pipe[event]) stream.Pipe[event] {
			waits := func(e *event) string {
				if e.ID < 0 {
					return ""
				}
				return fmt.Sprint(e.ID)
			}
			return stream.Via(s, join.Left(waits, (*event).isLeft, (*event).merge, &join.Options{Window: time.Hour}))
		}
		run := func(most time.Duration) error {
			ctx, cancel := context.WithTimeout(t.Context(), most)
			defer cancel()
			p := stream.Via(stream.From(log.Source(nil)), stream.Decode(parseEvent, (*event).time))
			p = again(stream.Via(p, asOf(&join.Options{Window: 10 * time.Second, Grace: time.Second})))
			return stream.Run(ctx, p, ledger.Output(), nil)
		}
		if err := run(time.Minute); err != nil {
			t.Fatal(err)
		}
		if g := ledger.Progress(log.Partition(0, 0)); g.Pending.Len() != 1 || g.MaxEventTime.Before(t0.Add(20*time.Minute)) {
			t.Fatalf("%d records wait at %v, want the load after 20 minutes", g.Pending.Len(), g.MaxEventTime)
		}
		log.EndAll()
		if err := errors.Join(run(time.Hour)); err != nil {
			t.Fatal(err)
		}
		for _, e := range ledger.Values() {
			if e.ID == 2 && e.Mate != 1 || e.ID == 1 {
				t.Errorf("got %+v, want load 2 with event 1", e)
			}
		}
	})
}
