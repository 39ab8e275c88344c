// Package hourtest writes an hour of one flow, has it closed and merged, and returns its files. Tests of formats use it,
// also those in modules of their own.
package hourtest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// Noon is the start of the hour.
var Noon = time.Date(2025, 5, 1, 12, 0, 0, 0, time.UTC)

// Commit is a transaction of a process of its own, whose flow may have another format than the one before. Each row is a
// record.
type Commit[T any] struct {
	Flow sink.Flow[T]
	Rows []T
}

// File is a data file of the sealed hour.
type File struct {
	Key  string
	Rows int64
	Body []byte
}

// Hour is what became of the rows.
type Hour[T any] struct {
	Files []File // by key
	Dead  []driver.BadRow
	Store *sinktest.Memory
}

// Options are those of the job, and the memory that it has; 0 is not bounded.
type Options struct {
	sink.Options
	Memory int64
}

// Write runs the commits one after the other, and then closes, merges and seals the hour in one more process with the flow of
// the last commit.
func Write[T any](t testing.TB, opts Options, commits ...Commit[T]) Hour[T] {
	t.Helper()
	ctx := t.Context()
	h := Hour[T]{Store: &sinktest.Memory{Clock: func() time.Time { return Noon.Add(3 * time.Hour) }}}
	for _, c := range commits {
		h.commit(ctx, t, opts, c, Noon)
	}
	last := Commit[T]{Flow: commits[len(commits)-1].Flow, Rows: make([]T, 1)}
	last.Rows[0] = commits[0].Rows[0] // of a later hour, so that this one can be closed
	out := h.commit(ctx, t, opts, last, Noon.Add(2*time.Hour))
	if _, err := out.Maintain(ctx, func(context.Context) ([]record.Partition, error) { return []record.Partition{part}, nil }); err != nil {
		t.Fatal(err)
	}
	m, err := sink.Sealed(ctx, h.Store, "job", Noon, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range m.Files {
		body, err := h.Store.Read(ctx, f.Key, 1<<40)
		if err != nil {
			t.Fatal(err)
		}
		h.Files = append(h.Files, File{Key: f.Key, Rows: f.Rows, Body: body})
	}
	return h
}

var part = record.Partition{Source: "src", ID: "a"}

// commit runs a process until it has committed.
func (h *Hour[T]) commit(ctx context.Context, t testing.TB, opts Options, c Commit[T], at time.Time) driver.Output[T] {
	t.Helper()
	opened, err := sink.Open(ctx, h.Store, "job", []sink.Flow[T]{c.Flow}, &opts.Options)
	if err != nil {
		t.Fatal(err)
	}
	out := seal.Hourly(opened, nil)
	job := driver.Job{Source: driver.SourceInfo{ID: "test", Topics: []string{"src"}}, Workers: 2}
	if opts.Memory > 0 {
		job.Budget = driver.NewBudget(opts.Memory)
	}
	if err := out.Attach(ctx, job); err != nil {
		t.Fatal(err)
	}
	from, err := out.Acquire(ctx, []driver.Assignment{{Lane: "a", Partitions: []record.Partition{part}}})
	if err != nil {
		t.Fatal(err)
	}
	txn := out.Begin(nil)
	counts := record.Counts{}
	const batch = 256
	for i := 0; i < len(c.Rows); i += batch {
		var events []record.Event[T]
		for k := i; k < min(i+batch, len(c.Rows)); k++ {
			events = append(events, record.Event[T]{Value: c.Rows[k], Time: at, Origin: record.NewOrigin(uint32(k + 1))})
		}
		fates := make([]record.Fate, len(events))
		bad, err := txn.Write(ctx, driver.Writer{Lane: "a", Worker: i / batch % 2}, events, fates)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range bad {
			b.Index += i
			h.Dead = append(h.Dead, b)
		}
		for _, f := range fates {
			counts[f]++
		}
	}
	p := from[part]
	p.UpTo.Sub += int64(len(c.Rows))
	p.MaxEventTime = at
	_, err = txn.Commit(ctx, driver.Cut{Lanes: []driver.LaneCut{{
		Lane: "a", Partitions: map[record.Partition]driver.Progress{part: p}, Read: map[record.Partition]int64{part: int64(len(c.Rows))},
		Counts: map[record.Partition]record.Counts{part: counts},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Verify has examples/verify check all that there is, and returns what it says. change may spoil the objects before that.
func (h *Hour[T]) Verify(t testing.TB, change func(key string, body []byte) []byte) (said string, well bool) {
	t.Helper()
	dir := t.TempDir()
	for o, err := range h.Store.List(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		body, err := h.Store.Read(t.Context(), o.Key, 1<<40)
		if err != nil {
			t.Fatal(err)
		}
		if change != nil {
			body = change(o.Key, body)
		}
		path := filepath.Join(dir, filepath.FromSlash(o.Key))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o777), os.WriteFile(path, body, 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.CommandContext(t.Context(), "go", "run", "github.com/onceflow/onceflow/examples/verify", dir).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out), err == nil
}
