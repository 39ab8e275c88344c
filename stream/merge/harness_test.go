package merge_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/merge"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/streamtest"
)

func TestMain(m *testing.M) { shared.Main(m) }

// noLeak checks that nothing runs on once a test has closed what it opened.
func noLeak(t *testing.T) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
}

var t0 = time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC)

// given is a source that reads lanes of a log as it is told.
type given struct {
	*streamtest.Source
	mu  sync.Mutex
	has []string
}

func give(log *streamtest.Log) *given {
	return &given{Source: log.Source(&streamtest.SourceOptions{Lanes: []string{}})}
}

// Give knows lane-i by the partition i.0.
func (g *given) Give(ids []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var lanes []string
	for _, id := range ids {
		lanes = append(lanes, "lane-"+strings.TrimSuffix(id, ".0"))
	}
	var gone, anew []string
	for _, l := range g.has {
		if !slices.Contains(lanes, l) {
			gone = append(gone, l)
		}
	}
	for _, l := range lanes {
		if !slices.Contains(g.has, l) {
			anew = append(anew, l)
		}
	}
	if g.has = lanes; len(gone) > 0 {
		g.Revoke(time.Time{}, gone...)
	}
	if len(anew) > 0 {
		g.Assign(anew...)
	}
}

// open merges "a", which names the lanes, with others.
func open(t testing.TB, naming driver.Source, others map[string]merge.Given, o *merge.Options) *merge.Source {
	t.Helper()
	s, err := merge.Open(t.Context(), "a", naming, others, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// reading plays the engine: it starts what is assigned and keeps what comes.
type reading struct {
	t    testing.TB
	src  *merge.Source
	from map[record.Partition]driver.Progress
	got  []came
	told []string // assignments and revocations

	arrived map[record.Partition]time.Time
}

// came is a record, and when it did.
type came struct {
	record.Record
	lane string
	when time.Time
}

func read(t testing.TB, src *merge.Source) *reading {
	t.Cleanup(func() {
		if err := src.Close(); err != nil {
			t.Error(err)
		}
	})
	return &reading{t: t, src: src, from: map[record.Partition]driver.Progress{}, arrived: map[record.Partition]time.Time{}}
}

// step takes one batch. It returns what Poll failed with.
func (r *reading) step(ctx context.Context) error {
	b, err := r.src.Poll(ctx)
	if err != nil || b == nil {
		return err
	}
	for _, lane := range b.Revoked {
		r.told = append(r.told, "-"+lane)
	}
	for _, a := range b.Assigned {
		r.told = append(r.told, "+"+a.Lane)
		st := driver.Start{Lane: a.Lane, From: map[record.Partition]driver.Progress{}}
		for _, p := range a.Partitions {
			st.From[p] = r.from[p]
		}
		if err := r.src.Start(ctx, st); err != nil {
			return err
		}
	}
	if len(b.Records) > 0 && !b.Undated {
		r.t.Error("the records of several sides all have times at which they came")
	}
	for _, a := range b.Arrivals {
		r.arrived[a.Partition] = a.At
	}
	for i := range b.Records {
		rec := b.Records[i].Clone()
		r.got = append(r.got, came{rec, b.Lane, time.Now()})
		r.from[*rec.Partition] = driver.Progress{UpTo: rec.Position}
	}
	b.Release()
	return nil
}

// during reads for as long as d of synctest's time.
func (r *reading) during(d time.Duration) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), d)
	defer cancel()
	for ctx.Err() == nil {
		if err := r.step(ctx); err != nil && ctx.Err() == nil {
			r.t.Fatal(err)
		}
	}
}

// toEnd reads until all sides have ended.
func (r *reading) toEnd() {
	r.t.Helper()
	for {
		switch err := r.step(r.t.Context()); {
		case errors.Is(err, io.EOF):
			return
		case err != nil:
			r.t.Fatal(err)
		}
	}
}

// take returns the values that came since the last call.
func (r *reading) take() (values []string) {
	for _, c := range r.got {
		values = append(values, string(c.Value))
	}
	r.got = nil
	return values
}

func (r *reading) want(what string, values ...string) {
	r.t.Helper()
	if got := r.take(); !slices.Equal(got, values) {
		r.t.Errorf("%s: got %q, want %q", what, got, values)
	}
}

func errorSays(err error, what string) bool { return err != nil && strings.Contains(err.Error(), what) }
