package kinesis

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
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
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// hit is a load or, if Of is set, what belongs to a load.
type hit struct {
	ID   string
	Of   string `json:",omitempty"`
	With string `json:",omitempty"` // ID of what came to it
	At   time.Time
}

func (h *hit) key() string {
	if h.Of != "" {
		return h.Of
	}
	return h.ID
}

// world is a job over a fake whose output is in memory.
type world struct {
	*testing.T
	fake  *fake
	store *sinktest.Memory
	joins bool

	mu   sync.Mutex
	have map[string][]string // lanes by process, as the source assigns them
}

func (w *world) hit(shard int, id, of string) {
	v, err := json.Marshal(hit{ID: id, Of: of, At: time.Now()})
	if err != nil {
		w.Fatal(err)
	}
	key := of
	if key == "" {
		key = id
	}
	w.fake.put(shard, key, v)
}

// spy notes which lanes there are.
type spy struct {
	*Source
	name string
	w    *world
}

func (s spy) Poll(ctx context.Context) (*driver.Batch, error) {
	b, err := s.Source.Poll(ctx)
	if b != nil && len(b.Assigned)+len(b.Revoked) > 0 {
		s.w.mu.Lock()
		lanes := slices.DeleteFunc(s.w.have[s.name], func(l string) bool { return slices.Contains(b.Revoked, l) })
		for _, a := range b.Assigned {
			lanes = append(lanes, a.Lane)
		}
		slices.Sort(lanes)
		s.w.have[s.name] = lanes
		s.w.mu.Unlock()
	}
	return b, err
}

func (w *world) lanes(name string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.have[name])
}

// run starts a process of the job. It ends when the returned function is called, which returns how it ended.
func (w *world) run(name string, o *Options) (stop func() error) {
	w.Helper()
	ctx, cancel := context.WithCancel(w.Context())
	src := w.fake.open(w.T, o)
	hits := stream.Via(stream.From(spy{src, name, w}), stream.Decode(func(r *record.Record) (h hit, err error) {
		return h, json.Unmarshal(r.Value, &h)
	}, func(h *hit) time.Time { return h.At }))
	if w.joins {
		hits = stream.Via(hits, dedup.ByID(dedup.NewMemory(nil), func(h *hit) string { return h.ID }, &dedup.Options{Window: 10 * time.Minute}))
		hits = stream.Via(hits, join.Left((*hit).key, func(h *hit) bool { return h.Of == "" }, func(l, r *hit) { l.With = r.ID }, nil))
	}
	out, err := sink.Open(ctx, w.store, "etl", []sink.Flow[hit]{{Name: "hits", Format: format.JSONLines[hit]()}}, nil)
	if err != nil {
		w.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		err := stream.Run(ctx, hits, seal.Hourly(out, nil), &stream.Options{CommitEvery: 5 * time.Second})
		ended <- errorsJoin(err, src.Close())
	}()
	return func() error {
		cancel()
		return <-ended
	}
}

func errorsJoin(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// rows are the IDs of the rows, with what they were joined with.
func (w *world) rows() (rows []string) {
	w.Helper()
	for o, err := range w.store.List(context.Background(), "hits/", "") {
		if err != nil {
			w.Fatal(err)
		}
		body, err := w.store.Read(context.Background(), o.Key, 1<<20)
		if err != nil {
			w.Fatal(err)
		}
		for line := range bytes.Lines(body) {
			var h hit
			if json.Unmarshal(line, &h) == nil && h.ID != "" {
				rows = append(rows, h.ID+h.With)
			}
		}
	}
	slices.Sort(rows)
	return rows
}

func (w *world) want(what string, got []string, want ...string) {
	w.Helper()
	slices.Sort(want)
	if !slices.Equal(got, want) {
		w.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func newWorld(t *testing.T, shards int, joins bool) *world {
	return &world{T: t, fake: newFake(shards), store: sinktest.NewMemory(), joins: joins, have: map[string][]string{}}
}

const (
	half     = "170141183460469231731687303715884105728"
	halfLess = "170141183460469231731687303715884105727"
	s0, s1   = "shardId-000000000000", "shardId-000000000001"
	s2, s3   = "shardId-000000000002", "shardId-000000000003"
)

// wait lets time pass.
func wait(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // virtual
	synctest.Wait()
}

// A split really shares the load: the children are lanes of their own once the parent has ended.
func TestASplitMakesLanesOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, false)
		w.hit(0, "a", "")
		stop := w.run("one", nil)
		wait(20 * time.Second)
		w.want("before the split", w.lanes("one"), s0)
		kids := w.fake.replace([]int{0}, "0", halfLess, half, wholeRange)
		w.hit(kids[0], "b", "")
		w.hit(kids[1], "c", "")
		wait(2 * time.Minute)
		w.want("lanes", w.lanes("one"), s1, s2)
		if err := stop(); err != nil {
			t.Error(err)
		}
		w.want("rows", w.rows(), "a", "b", "c")
	})
}

// What waits in a parent meets what comes in its child; then the child goes alone. The parents of a merge that holds
// records are in one lane with it.
func TestPendingRecordsMeetThoseOfChildren(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, true)
		w.hit(0, "a", "")
		w.hit(0, "alone", "") // waits for its time to be over
		stop := w.run("one", nil)
		wait(10 * time.Second)
		kids := w.fake.replace([]int{0}, "0", halfLess, half, wholeRange)
		wait(20 * time.Second)
		w.want("while a record waits", w.lanes("one"), s0)
		w.hit(kids[0], "x", "a")
		w.hit(kids[1], "b", "")
		wait(5 * time.Minute)
		w.want("once none waits", w.lanes("one"), s1, s2)

		w.hit(kids[0], "c", "")
		w.hit(kids[1], "d", "")
		wait(10 * time.Second)
		merged := w.fake.replace(kids, "0", wholeRange)
		wait(20 * time.Second)
		w.want("while the merge waits", w.lanes("one"), s1)
		w.hit(merged[0], "y", "c")
		w.hit(merged[0], "z", "d")
		w.hit(merged[0], "a", "") // a copy, of what the parent's parent had
		wait(5 * time.Minute)
		w.want("after the merge", w.lanes("one"), s3)
		if err := stop(); err != nil {
			t.Error(err)
		}
		w.want("rows", w.rows(), "alone", "ax", "b", "cy", "dz")
	})
}

// However often the process stops in the middle of reshards, each record has one row.
func TestReshardsBetweenRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, true)
		var want []string
		open := []int{0, 1}
		w.fake.shards[0].to, w.fake.shards[1].from = halfLess, half
		for round := range 12 {
			for k := range 5 {
				id := fmt.Sprintf("r%02d%d", round, k)
				w.hit(open[k%len(open)], id, "")
				w.hit(open[k%len(open)], "+"+id, id)
				want = append(want, id+"+"+id)
			}
			switch {
			case len(open) == 2:
				open = w.fake.replace(open, "0", wholeRange)
			default:
				open = w.fake.replace(open, "0", halfLess, half, wholeRange)
			}
			stop := w.run("one", nil)
			wait(time.Duration(round*7%25) * time.Second)
			if err := stop(); err != nil {
				t.Fatal(err)
			}
		}
		stop := w.run("last", nil)
		wait(10 * time.Minute)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		w.want("rows", w.rows(), want...)
	})
}
