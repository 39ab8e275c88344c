package bykey_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/bykey"
	"github.com/onceflow/onceflow/sink/delivery"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// row is what tests write: a number, and the value of its key.
type row struct {
	ID   int    `json:"id"`
	Key  string `json:"key"`
	Text string `json:"text,omitempty"`

	at time.Time // noon if it is zero
}

var noon = time.Date(2025, 5, 1, 12, 0, 0, 0, time.UTC)

// clock is the store's.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func memory() (*sinktest.Memory, *clock) {
	c := &clock{noon.Add(1000 * time.Hour)}
	return &sinktest.Memory{Clock: c.now}, c
}

// testContext is for programs under test: what waits before it tries again does not wait.
func testContext(t testing.TB) context.Context {
	t.Helper()
	e := env.Default()
	e.Sleep = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	return env.With(t.Context(), e)
}

// keyed is a flow by advertiser.
func keyed(merge bool) sink.Flow[row] {
	return sink.Flow[row]{
		Name: "clicks", Format: format.JSONLines[row](), Merge: merge,
		Keys: []sink.Key[row]{{Name: "advertiser", Value: func(r *row) string { return r.Key }}},
	}
}

// job is an instance of a job of one lane.
type job struct {
	t    testing.TB
	out  *sink.Sink[row]
	txn  driver.Txn[row]
	at   driver.Progress
	read int64
	sums record.Counts
}

var partition = record.Partition{Source: "topic", ID: "0"}

// begin opens the job and goes on with it.
func begin(t testing.TB, store sink.Store, flows ...sink.Flow[row]) *job {
	t.Helper()
	return beginWith(t, store, &sink.Options{Keep: 24 * time.Hour}, flows...)
}

func beginWith(t testing.TB, store sink.Store, o *sink.Options, flows ...sink.Flow[row]) *job {
	t.Helper()
	j := &job{t: t}
	var err error
	if j.out, err = sink.Open(testContext(t), store, "job", flows, o); err != nil {
		t.Fatal(err)
	}
	j.out.Seal(&sink.SealOptions{Lateness: 90 * time.Minute})
	if err := j.out.Attach(testContext(t), driver.Job{Source: driver.SourceInfo{ID: "test", Topics: []string{"topic"}}, Workers: 1}); err != nil {
		t.Fatal(err)
	}
	got, err := j.out.Acquire(testContext(t), []driver.Assignment{{Lane: "lane", Partitions: []record.Partition{partition}}})
	if err != nil {
		t.Fatal(err)
	}
	j.at, j.txn = got[partition], j.out.Begin(nil)
	return j
}

// commit commits rows as one transaction.
func (j *job) commit(rows ...row) {
	j.t.Helper()
	events := make([]record.Event[row], len(rows))
	for i, r := range rows {
		at := r.at
		if at.IsZero() {
			at = noon
		}
		events[i] = record.Event[row]{Value: r, Time: at}
		if at.After(j.at.MaxEventTime) {
			j.at.MaxEventTime = at
		}
	}
	fates := make([]record.Fate, len(rows))
	for at := 0; at < len(rows); at += 128 { // as the engine does
		end := min(at+128, len(rows))
		if _, err := j.txn.Write(testContext(j.t), driver.Writer{Lane: "lane"}, events[at:end], fates[at:end]); err != nil {
			j.t.Fatal(err)
		}
	}
	for _, f := range fates {
		j.at.UpTo.Sub++
		j.read++
		j.sums[f]++
	}
	j.cut()
}

func (j *job) cut() {
	j.t.Helper()
	cut := driver.Cut{Lanes: []driver.LaneCut{{
		Lane: "lane", Partitions: map[record.Partition]driver.Progress{partition: j.at},
		Read: map[record.Partition]int64{partition: j.read}, Counts: map[record.Partition]record.Counts{partition: j.sums},
	}}}
	j.read, j.sums = 0, record.Counts{}
	txn := j.txn
	if _, err := txn.Commit(testContext(j.t), cut); err != nil {
		j.t.Fatal(err)
	}
	j.txn = j.out.Begin(txn)
	j.maintain()
}

// seal moves event time to at, and so seals all hours that end before.
func (j *job) seal(at time.Time) {
	j.t.Helper()
	j.at.MaxEventTime = at
	j.cut()
}

func (j *job) maintain() {
	j.t.Helper()
	for range 100 {
		up, err := j.out.Maintain(testContext(j.t), func(context.Context) ([]record.Partition, error) { return []record.Partition{partition}, nil })
		if err != nil {
			j.t.Fatal(err)
		}
		if up.Settled {
			return
		}
	}
	j.t.Fatal("the job does not settle")
}

func of(values ...string) (all []bykey.Path) {
	for _, v := range values {
		all = append(all, bykey.Path{{Name: "advertiser", Value: v}})
	}
	return all
}

func openReader(t testing.TB, store sink.Store, o bykey.Options) *bykey.Reader {
	t.Helper()
	o.Poll = -1
	r, err := bykey.Open(testContext(t), store, "job", "clicks", &o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// got is what a reader has given: IDs by value of the key, and where each transaction ended.
type got struct {
	ids map[string][]int
	at  uint64 // the position
}

// take adds the rows of a unit, and moves the position if all of them were read.
func (g *got) take(ctx context.Context, u *bykey.Unit) error {
	ids := map[string][]int{}
	for p, err := range u.Parts(ctx) {
		if err != nil {
			return err
		}
		for r, err := range bykey.Rows(ctx, p, delivery.JSONLines[row]()) {
			if err != nil {
				return err
			}
			if p.Path != nil && r.Key != p.Path[0].Value {
				return fmt.Errorf("row %d of key %q came as one of %q", r.ID, r.Key, p.Path[0].Value)
			}
			ids[r.Key] = append(ids[r.Key], r.ID)
		}
	}
	if g.ids == nil {
		g.ids = map[string][]int{}
	}
	for k, more := range ids {
		g.ids[k] = append(g.ids[k], more...)
	}
	g.at = u.Entry
	return nil
}

// all reads transactions up to the end.
func (g *got) all(ctx context.Context, r *bykey.Reader, keys []bykey.Path, limit int64) error {
	for u, err := range r.Transactions(ctx, keys, g.at, limit) {
		if err == nil {
			err = g.take(ctx, u)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (g *got) read(t *testing.T, r *bykey.Reader, keys []bykey.Path) {
	t.Helper()
	if err := g.all(testContext(t), r, keys, 0); err != nil {
		t.Fatal(err)
	}
}

// want compares what was read with the IDs of rows.
func (g *got) want(t *testing.T, rows []row, values ...string) {
	t.Helper()
	for _, v := range values {
		var want []int
		for _, r := range rows {
			if r.Key == v {
				want = append(want, r.ID)
			}
		}
		have := slices.Sorted(slices.Values(g.ids[v]))
		if slices.Sort(want); !slices.Equal(have, want) {
			t.Errorf("key %.60q has the rows %v, want %v", v, have, want)
		}
	}
	for k := range g.ids {
		if !slices.Contains(values, k) {
			t.Errorf("rows of %.60q were read, which was not asked for", k)
		}
	}
}

// hostile are values that paths cannot have as they are.
var hostile = []string{"", "a", "b", "a/b", "..", "../a", "a=b", "é", "%2F", "NULL", "__HIVE_DEFAULT_PARTITION__", " ", "advertiser=a", "\x00", "日本", strings.Repeat("x", 300), strings.Repeat("x", 301)}

// numbered makes n rows whose keys take turns.
func numbered(first, n int, values ...string) (rows []row) {
	for i := range n {
		rows = append(rows, row{ID: first + i, Key: values[(first+i)%len(values)]})
	}
	return rows
}

// counting counts calls of a store by what they do.
type counting struct {
	ranges map[string]int // reads of ranges by key of the object
	bytes  int64          // of these
	opens  int            // of data files
}

func (c *counting) store(s sink.Store) sink.Store {
	c.ranges = map[string]int{}
	return sinktest.NewFaulty(measured{s, c}, func(_ context.Context, call sinktest.Call) sinktest.Mode {
		switch {
		case call.Op == sinktest.OpReadRange:
			c.ranges[call.Key]++
		case call.Op == sinktest.OpOpen && strings.HasPrefix(call.Key, "clicks/"):
			c.opens++
		}
		return sinktest.Pass
	})
}

// measured counts bytes of ranges.
type measured struct {
	sink.Store
	to *counting
}

func (m measured) ReadRange(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	m.to.bytes += length
	return m.Store.ReadRange(ctx, key, offset, length)
}
