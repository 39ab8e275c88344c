package sim_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/dedup"
	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/join"
	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/codec"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/manifest"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// The whole job, with the real engine, dies at every call of the store, and again during its recovery.

// hit is what the job reads and writes.
type hit struct {
	ID   string    `json:"id"`
	Key  string    `json:"key,omitempty"` // of the join
	Left bool      `json:"left,omitempty"`
	With string    `json:"with,omitempty"`
	Time time.Time `json:"t"`
}

// fed are the records: lane, partition, minutes after the beginning, and the rest of a hit.
var fed = []struct {
	lane, part int
	at         float64
	id, key    string
	left       bool
}{
	{0, 0, 0, "a", "", false}, {0, 1, 0.1, "b", "k1", true}, {1, 0, 0.2, "c", "", false}, {0, 0, 0.3, "broken", "", false},
	{0, 0, 0.5, "d", "k1", false}, {1, 0, 0.6, "c", "", false}, {0, 1, 1, "e", "k2", true}, {0, 0, 20, "f", "", false},
	{0, 1, 61, "g", "k3", true}, {1, 0, 61, "h", "", false}, {0, 0, 61.5, "i", "k3", false}, {0, 0, 62, "a2", "", false},
	{0, 1, 140, "j", "", false}, {0, 0, 141, "a2", "", false}, {1, 0, 145, "k", "", false}, {0, 0, 145, "l", "", false},
}

// rows are those of a right answer, all on time.
var rows = []string{"a", "a2", "b+d", "c", "e", "f", "g+i", "h", "j", "k", "l"}

var fates = record.Counts{record.Written: 11, record.Merged: 2, record.Duplicate: 2, record.Dead: 1}

func feed(log *streamtest.Log, begin time.Time) {
	for _, f := range fed {
		h := hit{ID: f.id, Key: f.key, Left: f.left, Time: begin.Add(time.Duration(f.at * float64(time.Minute)))}
		value, _ := json.Marshal(h)
		if f.id == "broken" {
			value = []byte("broken")
		}
		log.Append(f.lane, f.part, h.Time, string(value))
		time.Sleep(700 * time.Millisecond) //nolint:forbidigo // the clock of the bubble
	}
	log.EndAll()
}

// patient lets mutexes be waited for in the time of the bubble: who holds one may be waiting for that time to pass.
type patient struct{}

func (patient) Yield(string) { time.Sleep(time.Millisecond) } //nolint:forbidigo // the clock of the bubble

// run is one life of the job.
func run(ctx context.Context, log *streamtest.Log, store sink.Store, merges bool) error {
	e := *env.Default()
	e.Scheduler = patient{}
	ctx = env.With(ctx, &e)
	hits := stream.Via(stream.From(log.Source(nil)), stream.Decode(func(r *record.Record) (h hit, err error) {
		return h, json.Unmarshal(r.Value, &h)
	}, func(h *hit) time.Time { return h.Time }))
	hits = stream.Via(hits, dedup.ByID(dedup.NewMemory(nil), func(h *hit) string { return h.ID }, nil))
	hits = stream.Via(hits, join.Left(func(h *hit) string { return h.Key }, func(h *hit) bool { return h.Left },
		func(left, right *hit) { left.With = right.ID }, nil))
	out, err := sink.Open(ctx, store, "job", []sink.Flow[hit]{
		{Name: "hits", Format: format.JSONLines[hit](), Merge: merges, Keys: []sink.Key[hit]{{Name: "first", Value: func(h *hit) string { return h.ID[:1] }}}},
		{Name: "joined", Where: func(h *hit) bool { return h.With != "" }, Format: format.JSONLines[hit](), Codec: codec.Gzip, Merge: merges},
	}, nil)
	if err != nil {
		return err
	}
	return stream.Run(ctx, hits, seal.Hourly(out, nil), &stream.Options{CommitEvery: 3 * time.Second, Parallel: 2})
}

// plan says what goes wrong at which call, counted over all lives.
type plan map[int]sinktest.Mode

// live runs the job again and again until it ends by itself, and returns how many calls it made.
func live(t *testing.T, p plan, store *sinktest.Memory, log *streamtest.Log, merges bool) int {
	var calls atomic.Int64
	for range 20 {
		ctx, kill := context.WithCancel(t.Context())
		f := sinktest.NewFaulty(store, func(context.Context, sinktest.Call) sinktest.Mode {
			mode := p[int(calls.Add(1))-1]
			if mode == sinktest.Crash || mode == sinktest.ApplyThenCrash {
				kill() // who is dead waits for nothing
			}
			return mode
		})
		f.Delay = 3
		err := run(ctx, log, f, merges)
		kill()
		f.Land(-1)
		if err == nil && !f.Crashed() {
			return int(calls.Load())
		}
		check(t, p, store, false, merges)
	}
	t.Fatalf("%v: the job does not end", p)
	return 0
}

// check reads the committed output. Unless the job is over some of it may be missing.
func check(t *testing.T, p plan, store *sinktest.Memory, over, merges bool) {
	t.Helper()
	ctx := t.Context()
	var got, joined []string
	for files, err := range written(ctx, store, merges) {
		if err != nil {
			if over {
				t.Errorf("%v: %v", p, err)
			}
			break
		}
		for _, f := range files {
			if f.Kind != "" {
				if f.Kind == "late" {
					t.Errorf("%v: %s is late", p, f.Key)
				}
				continue
			}
			if f.Flow == "joined" {
				joined = append(joined, f.Key)
				continue
			}
			body, err := store.Read(ctx, f.Key, 1<<20)
			if err != nil {
				t.Errorf("%v: %v", p, err)
			}
			for line := range strings.Lines(string(body)) {
				var h hit
				if err := json.Unmarshal([]byte(line), &h); err != nil || !h.Time.Truncate(time.Hour).Equal(f.Hour) {
					t.Errorf("%v: row %q in %s: %v", p, line, f.Key, err)
				}
				got = append(got, strings.TrimSuffix(h.ID+"+"+h.With, "+"))
			}
		}
	}
	slices.Sort(got)
	for i, r := range got {
		if i > 0 && r == got[i-1] || !slices.Contains(rows, r) {
			t.Errorf("%v: row %s is there twice or wrong; all are %s", p, r, got)
		}
	}
	if !over {
		return
	}
	s, err := sink.Inspect(ctx, store, "job", nil)
	if err != nil {
		t.Fatalf("%v: %v", p, err)
	}
	if !slices.Equal(got, rows) || len(joined) == 0 || s.Counts != fates || len(s.Unpublished) > 0 {
		t.Errorf("%v: rows %s, %d joined files, fates %v, pending %v; want %s, %v", p, got, len(joined), s.Counts, s.Unpublished, rows, fates)
	}
	if len(s.OpenHours) > 0 || !s.Sealed.Equal(s.Closed) || s.Closed.IsZero() {
		t.Errorf("%v: %d hours are open, closed through %s, sealed through %s", p, len(s.OpenHours), s.Closed, s.Sealed)
	}
}

// written are the files of transactions or, if they are merged, of sealed hours.
func written(ctx context.Context, store sink.Store, merges bool) iter.Seq2[[]manifest.File, error] {
	opts := &sink.ReadOptions{Poll: -1}
	return func(yield func([]manifest.File, error) bool) {
		if merges {
			for m, err := range sink.Hours(ctx, store, "job", time.Time{}, opts) {
				if !yield(m.Files, err) {
					return
				}
			}
			return
		}
		for m, err := range sink.Committed(ctx, store, "job", 0, opts) {
			if !yield(m.Files, err) {
				return
			}
		}
	}
}

// lifetime is the job under a plan, from the first record to the end.
func lifetime(t *testing.T, p plan, merges bool) (calls int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		store, log := sinktest.NewMemory(), streamtest.NewLog(2, 1)
		for _, p := range [][2]int{{0, 0}, {0, 1}, {1, 0}} {
			log.OpenTransaction(p[0], p[1], true) // no end can be proved: the records are older than the clock
		}
		go feed(log, time.Now().Add(-6*time.Hour))
		calls = live(t, p, store, log, merges)
		check(t, p, store, true, merges)
	})
	return calls
}

var faults = []sinktest.Mode{
	sinktest.Crash, sinktest.ApplyThenCrash, sinktest.ApplyThenFail, sinktest.Refuse, sinktest.ApplyLate, sinktest.ApplyThenExist,
}

func TestEveryCallOfTheStoreMayBeTheLast(t *testing.T) { everyCall(t, false) }

func TestEveryCallOfAMergeMayBeTheLast(t *testing.T) { everyCall(t, true) }

func everyCall(t *testing.T, merges bool) {
	step := 1
	if testing.Short() {
		step = 7
	}
	for _, mode := range faults {
		for k := 0; ; k += step {
			calls := lifetime(t, plan{k: mode}, merges)
			if t.Failed() {
				t.Fatalf("%s at call %d of %d", mode, k, calls)
			}
			if calls <= k {
				break // the job was over before call k: all points were tried
			}
		}
	}
}

func TestEveryCallOfARecoveryMayBeTheLast(t *testing.T) { everyRecovery(t, false) }

func TestEveryCallOfARecoveryOfAMergeMayBeTheLast(t *testing.T) { everyRecovery(t, true) }

func everyRecovery(t *testing.T, merges bool) {
	step := 5
	if testing.Short() {
		step = 29
	}
	for _, second := range []sinktest.Mode{sinktest.Crash, sinktest.ApplyThenCrash, sinktest.ApplyThenFail} {
		for k := 3; ; k += step {
			calls := 0
			for d := 1; d < 40; d += 3 {
				calls = lifetime(t, plan{k: sinktest.ApplyThenCrash, k + d: second}, merges)
				if t.Failed() {
					t.Fatalf("killed at call %d, %s at call %d of %d", k, second, k+d, calls)
				}
			}
			if calls <= k {
				break
			}
		}
	}
}

// Many things go wrong in one run.
func TestManyFaultsInOneLife(t *testing.T) {
	lives := 300
	if testing.Short() {
		lives = 30
	}
	for seed := range uint64(lives) {
		rng := rand.New(rand.NewPCG(seed, 1))
		p := plan{}
		for k := range 400 {
			if c := rng.Float64(); c < 0.01 {
				p[k] = faults[rng.IntN(2)]
			} else if c < 0.12 {
				p[k] = faults[2+rng.IntN(4)]
			}
		}
		lifetime(t, p, seed%2 == 0)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func (p plan) String() string {
	var out []string
	for k, mode := range p {
		out = append(out, fmt.Sprintf("%s at call %d", mode, k))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

func TestThePlanOfNoFaultsIsRight(t *testing.T) {
	if calls := lifetime(t, plan{}, true); calls < 50 {
		t.Errorf("%d calls: too few to break", calls)
	} else {
		t.Logf("%d calls", calls)
	}
}
