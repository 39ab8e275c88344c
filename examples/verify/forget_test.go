package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/sink"
	sinkfile "github.com/onceflow/onceflow/sink/file"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/driver"
)

// The library forgets more partitions than a chunk has changes, and those that are gone; what it writes passes, and a chunk
// that was changed does not.
func TestWhatTheLibraryForgetsPasses(t *testing.T) {
	dir := t.TempDir()
	store, err := sinkfile.Open(dir, &sinkfile.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	e := env.Default()
	var minutes atomic.Int64
	e.SnapshotEvery, e.GoneAfter = 1, time.Hour
	e.Now = func() time.Time { return at(6, 0).Add(time.Duration(minutes.Add(1)) * time.Minute) }
	ctx := env.With(t.Context(), e)
	out, err := sink.Open(ctx, store, "etl", []sink.Flow[hit]{{Name: "all", Format: format.JSONLines[hit]()}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := out.Attach(ctx, driver.Job{Source: driver.SourceInfo{ID: "test", Topics: []string{"files"}}, Workers: 1}); err != nil {
		t.Fatal(err)
	}
	const n = 1100
	var lanes []driver.Assignment
	var names []string
	var all []stream.Partition
	var cut driver.Cut
	for i := range n {
		p := stream.Partition{Source: "files", Epoch: fmt.Sprintf("%016x", i), ID: fmt.Sprintf("<f%d>", i)}
		name := fmt.Sprint("lane", i)
		lanes, names, all = append(lanes, driver.Assignment{Lane: name, Partitions: []stream.Partition{p}}), append(names, name), append(all, p)
		g := driver.Progress{UpTo: stream.Position{Sub: 1}, MaxEventTime: at(6, 0), Arrived: at(6, 0).Add(time.Duration(i)), Ended: true}
		cut.Lanes = append(cut.Lanes, driver.LaneCut{Lane: name, Partitions: map[stream.Partition]driver.Progress{p: g},
			Read: map[stream.Partition]int64{p: 1}, Counts: map[stream.Partition]stream.Counts{p: {stream.Filtered: 1}}})
	}
	if _, err := out.Acquire(ctx, lanes); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Begin(nil).Commit(ctx, cut); err != nil {
		t.Fatal(err)
	}
	if err := out.Release(ctx, names); err != nil {
		t.Fatal(err)
	}
	for range 300 { // a minute or two each
		_, err := out.Maintain(ctx, func(context.Context) ([]stream.Partition, error) { return all, nil })
		if err != nil {
			t.Fatal(err)
		}
		if minutes.Load() > 100 {
			all = all[:n/2]
		}
	}
	s, err := sink.Inspect(t.Context(), store, "etl", nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.Forgotten != n || s.Finished != n/2 {
		t.Fatalf("%d partitions are forgotten, %d finished, want %d and %d", s.Forgotten, s.Finished, n, n/2)
	}
	var said bytes.Buffer
	if code := run(t.Context(), []string{dir}, &said, &said); code != 0 || !strings.Contains(said.String(), "in 0 partitions, and 1100 that have ended") {
		t.Fatalf("exit %d\n%s", code, &said)
	}
	chunks, err := filepath.Glob(filepath.Join(dir, "_onceflow/etl/e0001/finished/*"))
	if err != nil || len(chunks) == 0 {
		t.Fatalf("chunks %v, %v", chunks, err)
	}
	if err := os.Remove(chunks[0]); err != nil {
		t.Fatal(err)
	}
	if code := run(t.Context(), []string{dir}, &said, &said); code == 0 {
		t.Error("a chunk is missing, and all is well")
	}
}

// over is a partition that is read to its end by an entry and forgotten by the next.
func (w *world) over(base uint64) {
	p := row("f", 1, at(8, 0), time.Time{})
	p.Read, p.Counts, p.Ended = 1, counts{Filtered: 1}, true
	w.append(&entry{Kind: "commit", Commit: &commit{Lanes: []laneCommit{{Lane: "f", Base: base, Token: token(105), Acquired: 9, Partitions: []partitionRow{p}}}}})
	w.append(&entry{Kind: "forget", Forget: &forget{Over: []byte(hashOfPartition(p.partition)), Generation: 1}})
}

func TestWhatIsForgottenIsChecked(t *testing.T) {
	first := func(acquired uint64, id string) *entry {
		p := row(id, 1, at(8, 0), time.Time{})
		p.Read, p.Counts = 1, counts{Filtered: 1}
		return &entry{Kind: "commit", Commit: &commit{Lanes: []laneCommit{{Lane: "f", Base: 6, Token: token(106), Acquired: acquired, Partitions: []partitionRow{p}}}}}
	}
	hash := func(id string) []byte { return []byte(hashOfPartition(partition{Source: "s", ID: id})) }
	for name, c := range map[string]struct {
		e    *entry
		want string
	}{
		"all is well":        {first(11, "g"), ""},
		"it has gone":        {&entry{Kind: "forget", Forget: &forget{Gone: hash("f"), Generation: 1}}, ""},
		"a sleeper":          {first(10, "g"), "lane f was acquired at entry 10, and lanes touched before entry 11 were forgotten"},
		"it is read again":   {first(11, "f"), "had ended and was forgotten"},
		"not over":           {&entry{Kind: "forget", Forget: &forget{Over: hash("9"), Generation: 1}}, "which is not known, or not over"},
		"not finished":       {&entry{Kind: "forget", Forget: &forget{Gone: hash("9"), Generation: 1}}, "is gone, and was not finished"},
		"another generation": {&entry{Kind: "forget", Forget: &forget{Gone: hash("f")}}, "the topics of generation 0"},
		"no hashes":          {&entry{Kind: "forget", Forget: &forget{Gone: []byte("abc"), Generation: 1}}, "its hashes are not in order"},
	} {
		w := good(t)
		w.over(6)
		w.append(c.e)
		w.write(t)
		var out bytes.Buffer
		r := &report{out: &out, most: 100}
		if err := verify(t.Context(), w.m, "", r); err != nil {
			t.Fatal(err)
		}
		if (r.violations == 0) != (c.want == "") || !strings.Contains(out.String(), c.want) {
			t.Errorf("%s: want %q in\n%s", name, c.want, &out)
		}
	}
}
