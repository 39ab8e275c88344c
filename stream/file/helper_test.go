package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// folder makes files of a map from name to content.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		put(t, filepath.Join(dir, name), text)
	}
	return dir
}

func put(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

func add(t testing.TB, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func gz(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, text)
	w.Close()
	return b.String()
}

func zst(text string, opts ...zstd.EOption) string {
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, opts...)
	if err != nil {
		panic(err)
	}
	io.WriteString(w, text)
	w.Close()
	return b.String()
}

// open opens a source whose batches are small and are overwritten when they are released.
func open(t testing.TB, c Config, o *Options) *Source {
	t.Helper()
	s, err := Open(c, o)
	if err != nil {
		t.Fatal(err)
	}
	s.chunks.bytes, s.chunks.poison = 64, true
	t.Cleanup(func() { s.Close() })
	return s
}

// reading is what a job would have of a source.
type reading struct {
	t        testing.TB
	s        *Source
	got      []string // "name:line:value", dead ones with a !
	progress map[record.Partition]driver.Progress
	lanes    []string
	warm     []string
	hook     func(*driver.Batch)
}

func newReading(t testing.TB, s *Source) *reading {
	return &reading{t: t, s: s, progress: map[record.Partition]driver.Progress{}}
}

// poll handles one batch.
func (r *reading) poll(ctx context.Context, warmup bool) error {
	r.t.Helper()
	b, err := r.s.Poll(ctx)
	if err != nil {
		if b != nil {
			r.t.Errorf("Poll returned a batch with error %v", err)
		}
		return err
	}
	defer b.Release()
	for _, a := range b.Assigned {
		r.lanes = append(r.lanes, a.Lane)
		st := driver.Start{Lane: a.Lane, From: map[record.Partition]driver.Progress{}}
		for _, p := range a.Partitions {
			st.From[p] = r.progress[p]
		}
		if warmup {
			st.Warmup = 1
		}
		if err := r.s.Start(ctx, st); err != nil {
			return err
		}
	}
	if r.hook != nil {
		r.hook(b)
	}
	r.take(b)
	return nil
}

// take keeps the records of a batch in the order of their positions.
func (r *reading) take(b *driver.Batch) {
	var recs []*record.Record
	mark := map[*record.Record]string{}
	for i := range b.Records {
		recs = append(recs, &b.Records[i])
	}
	for i := range b.Unreadable {
		recs = append(recs, &b.Unreadable[i].Record)
		mark[&b.Unreadable[i].Record] = "!"
	}
	slices.SortStableFunc(recs, func(a, b *record.Record) int { return a.Position.Compare(b.Position) })
	for _, rec := range recs {
		s := fmt.Sprintf("%s%s:%s:%s", mark[rec], filepath.Base(rec.Partition.ID), rec.Position, rec.Value)
		if b.Warm {
			r.warm = append(r.warm, s)
			continue
		}
		r.got = append(r.got, s)
		if p := r.progress[*rec.Partition]; p.UpTo.Compare(rec.Position) < 0 {
			p.UpTo = rec.Position
			r.progress[*rec.Partition] = p
		}
	}
	for _, e := range b.Ended {
		p := r.progress[e.Partition]
		p.Ended = true
		r.progress[e.Partition] = p
	}
}

// all reads until the source says that it is over, and returns its error if it is not that.
func (r *reading) all() error {
	r.t.Helper()
	for {
		if err := r.poll(r.t.Context(), false); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// everything reads a source from start to end and returns its records, those of each file together.
func everything(t testing.TB, c Config, o *Options) []string {
	t.Helper()
	r := newReading(t, open(t, c, o))
	if err := r.all(); err != nil {
		t.Fatal(err)
	}
	for p, pr := range r.progress {
		if !pr.Ended {
			t.Errorf("%v has not ended", &p)
		}
	}
	return sorted(r.got)
}

// sorted keeps the order of the records of a file.
func sorted(list []string) []string {
	out := slices.Clone(list)
	slices.SortStableFunc(out, func(a, b string) int { return strings.Compare(base(a), base(b)) })
	return out
}

func base(s string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(s, "!"), ":")
	return name
}

func same(t testing.TB, what string, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Errorf("%s: got %d, want %d; from number %d on\n got %q\nwant %q", what, len(got), len(want), i,
				got[min(i, len(got)):min(i+3, len(got))], want[min(i, len(want)):min(i+3, len(want))])
			return
		}
	}
}

// only is the progress of the only partition.
func (r *reading) only() (record.Partition, driver.Progress) {
	r.t.Helper()
	if len(r.progress) != 1 {
		r.t.Fatalf("partitions with progress: %v", slices.Collect(maps.Keys(r.progress)))
	}
	for p, pr := range r.progress {
		return p, pr
	}
	panic("unreachable")
}

// contextUntil is a context that ends when done says so; it is asked each time that the context is.
func contextUntil(t testing.TB, done func() bool) (context.Context, func()) {
	ctx, cancel := context.WithCancel(t.Context())
	return &untilContext{ctx, cancel, done}, cancel
}

type untilContext struct {
	context.Context
	cancel context.CancelFunc
	done   func() bool
}

func (c *untilContext) Err() error {
	if c.done() {
		c.cancel()
	}
	return c.Context.Err()
}
