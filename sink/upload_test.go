package sink_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/onceflow/onceflow/sink"
	storage "github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// gathering is a Store whose uploads keep all bytes in memory, as those of a store with large parts, and use the context
// of Stage when they write.
type gathering struct{ *sinktest.Memory }

func (g gathering) Stage(ctx context.Context, key, owner string, most int64) (storage.Upload, error) {
	up, err := g.Memory.Stage(ctx, key, owner, most)
	return &gatherer{up, ctx, 0}, err
}

type gatherer struct {
	storage.Upload
	ctx context.Context
	n   int64
}

func (g *gatherer) Write(p []byte) (int, error) {
	g.n += int64(len(p))
	if err := g.ctx.Err(); err != nil {
		return 0, err
	}
	return g.Upload.Write(p)
}

func (g *gatherer) Gathered() int64 { return g.n }

func (g *gatherer) Close(ctx context.Context) ([]byte, error) {
	if err := g.ctx.Err(); err != nil {
		return nil, err
	}
	return g.Upload.Close(ctx)
}

// The last transaction commits when the context of the job is over. Its uploads were begun with that.
func TestUploadsOutliveTheContextOfTheWriteThatBeganThem(t *testing.T) {
	store, _ := memory(noon)
	in := open(t, gathering{store}, nil, nil, rowsFlow("rows"))
	in.acquire("a")
	ctx, cancel := context.WithCancel(testContext(t))
	rows, fates := make([]record.Event[row], 80_000), make([]record.Fate, 80_000)
	for i := range rows {
		rows[i] = record.Event[row]{Value: row{ID: i}, Time: noon}
	}
	if _, err := in.txn.Write(ctx, driver.Writer{Lane: "a"}, rows, fates); err != nil {
		t.Fatal(err)
	}
	if staged(t, store) == 0 {
		t.Fatal("no upload was begun, so this tests nothing")
	}
	cancel()
	in.at["a"] = driver.Progress{UpTo: record.Position{Sub: 80_000}}
	in.read["a"], in.done["a"] = 80_000, record.Counts{record.Written: 80_000}
	in.commit()
	if got := visible(t, store, "rows/"); !slices.Equal(got, upTo(80_000)) {
		t.Errorf("%d rows, want 80000", len(got))
	}
}

func TestBytesThatUploadsGatherAreInTheBudget(t *testing.T) {
	store, _ := memory(noon)
	flow := rowsFlow("rows")
	flow.Keys = []sink.Key[row]{{Name: "id", Value: func(r *row) string { return fmt.Sprint(r.ID % 100) }}}
	out, err := sink.Open(testContext(t), gathering{store}, "job", []sink.Flow[row]{flow}, nil)
	if err != nil {
		t.Fatal(err)
	}
	budget := driver.NewBudget(4 << 20)
	if err := out.Attach(testContext(t), driver.Job{Source: driver.SourceInfo{ID: "test", Topics: topics}, Workers: 1, Budget: budget}); err != nil {
		t.Fatal(err)
	}
	in := &instance{t: t, out: out, at: map[string]driver.Progress{}}
	in.acquire("a")
	most := int64(0)
	text := strings.Repeat("x", 1000)
	for i := range 20 {
		rows := make([]record.Event[row], 1000)
		for j := range rows {
			rows[j] = record.Event[row]{Value: row{ID: i*1000 + j, Key: text}, Time: noon}
		}
		if _, err := in.tryEvents("a", rows...); err != nil {
			t.Fatal(err)
		}
		most = max(most, budget.Used())
	}
	if most > 6<<20 {
		t.Errorf("buffers and uploads took %d bytes, the budget is 4 MiB", most)
	}
	in.commit()
	if used := budget.Used(); used != 0 {
		t.Errorf("after the commit %d bytes are counted", used)
	}
	if got := visible(t, store, "rows/"); !slices.Equal(got, upTo(20_000)) {
		t.Errorf("%d rows, want 20000", len(got))
	}
}

// A file that was cut off and could not be closed was forgotten, had the caller gone on to Commit.
func TestAFileThatCannotBeClosedIsNotCommitted(t *testing.T) {
	store, _ := memory(noon)
	faulty := sinktest.NewFaulty(store, nil)
	in := open(t, faulty, nil, &sink.Options{FileBytes: 1 << 10}, rowsFlow("rows"))
	in.acquire("a")
	closes := 0
	faulty.Before = func(_ context.Context, c sinktest.Call) sinktest.Mode {
		if c.Op == sinktest.OpClose {
			if closes++; closes == 1 {
				return sinktest.Refuse
			}
		}
		return sinktest.Pass
	}
	if _, err := in.tryWrite("a", noon, upTo(80_000)...); !errors.Is(err, sinktest.ErrFault) {
		t.Fatalf("write: %v, want the error of closing a file", err)
	}
	in.at["a"] = driver.Progress{UpTo: record.Position{Sub: 80_000}}
	in.read["a"], in.done["a"] = 80_000, record.Counts{record.Written: 80_000}
	if err := in.tryCommit(); err == nil || errors.Is(err, driver.ErrFenced) {
		t.Errorf("commit: %v, want an error", err)
	}
	if got := keys(t, store, "rows/"); len(got) != 0 || staged(t, store) != 0 {
		t.Errorf("published %v, %d staged, want nothing", got, staged(t, store))
	}
}
