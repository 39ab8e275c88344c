package merge_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/codec"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

type row struct {
	ID   int    `json:"id"`
	Fill string `json:"fill"`
}

var noon = time.Date(2025, 5, 1, 12, 0, 0, 0, time.UTC)

// write makes an hour of three packs with many segments: thousands of keys with a row in each, and one with long pieces, which
// has several segments in each pack. It returns the IDs in the hour's files, by key, in their order.
func write(t *testing.T, budget *driver.Budget, watch func(sinktest.Call)) map[string][]int {
	t.Helper()
	ctx := t.Context()
	store := sinktest.NewFaulty(&sinktest.Memory{Clock: func() time.Time { return noon.Add(3 * time.Hour) }}, func(_ context.Context, c sinktest.Call) sinktest.Mode {
		watch(c)
		return sinktest.Pass
	})
	key := func(r *row) string {
		if r.ID%10 == 0 {
			return "large"
		}
		return fmt.Sprint("k", r.ID%3000)
	}
	flow := sink.Flow[row]{
		Name: "rows", Format: format.JSONLines[row](), Codec: codec.Gzip, Merge: true, Keys: []sink.Key[row]{{Name: "k", Value: key}},
	}
	out, err := sink.Open(ctx, store, "job", []sink.Flow[row]{flow}, &sink.Options{FileBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	sealed := seal.Hourly(out, nil)
	if err := sealed.Attach(ctx, driver.Job{Source: driver.SourceInfo{ID: "test", Topics: []string{"src"}}, Workers: 1, Budget: budget}); err != nil {
		t.Fatal(err)
	}
	part := record.Partition{Source: "src", ID: "a"}
	at, err := sealed.Acquire(ctx, []driver.Assignment{{Lane: "a", Partitions: []record.Partition{part}}})
	if err != nil {
		t.Fatal(err)
	}
	progress := at[part]
	var before driver.Txn[row]
	for n := range 3 {
		txn := sealed.Begin(before)
		var events []record.Event[row]
		for id := n * 9000; id < (n+1)*9000; id++ {
			r := row{ID: id, Fill: strings.Repeat(fmt.Sprint(id, "-"), 20)}
			if id%10 == 0 {
				r.Fill = strings.Repeat(r.Fill, 40)
			}
			events = append(events, record.Event[row]{Value: r, Time: noon})
		}
		if n == 2 {
			events = append(events, record.Event[row]{Value: row{ID: 1}, Time: noon.Add(2 * time.Hour)})
		}
		fates := make([]record.Fate, len(events))
		if _, err := txn.Write(ctx, driver.Writer{Lane: "a"}, events, fates); err != nil {
			t.Fatal(err)
		}
		progress.UpTo.Sub += int64(len(events))
		if progress.MaxEventTime = noon; n == 2 {
			progress.MaxEventTime = noon.Add(2 * time.Hour)
		}
		_, err := txn.Commit(ctx, driver.Cut{Lanes: []driver.LaneCut{{
			Lane: "a", Partitions: map[record.Partition]driver.Progress{part: progress}, Read: map[record.Partition]int64{part: int64(len(events))},
			Counts: map[record.Partition]record.Counts{part: {record.Written: int64(len(events))}},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		before = txn
	}
	if _, err := sealed.Maintain(ctx, func(context.Context) ([]record.Partition, error) { return []record.Partition{part}, nil }); err != nil {
		t.Fatal(err)
	}
	m, err := sink.Sealed(ctx, store, "job", noon, nil)
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string][]int{}
	for _, f := range m.Files {
		body, err := store.Read(ctx, f.Key, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		name := strings.Split(f.Key, "/")[3]
		for d := json.NewDecoder(z); d.More(); {
			var r row
			if err := d.Decode(&r); err != nil {
				t.Fatalf("%s: %v", f.Key, err)
			}
			ids[name] = append(ids[name], r.ID)
		}
	}
	return ids
}

// A unit that does not fit into the budget is read bit by bit.
func TestAUnitIsTheSameReadAtOnceOrBySegments(t *testing.T) {
	for _, limit := range []int64{1 << 30, 1 << 20, 1} {
		budget := driver.NewBudget(limit)
		reads := atomic.Int64{}
		ids := write(t, budget, func(c sinktest.Call) {
			if c.Op == sinktest.OpReadRange {
				reads.Add(1)
			}
		})
		rows := 0
		for key, list := range ids {
			rows += len(list)
			for i := range list {
				if i > 0 && list[i] <= list[i-1] {
					t.Fatalf("limit %d: %s has row %d behind row %d", limit, key, list[i], list[i-1])
				}
			}
		}
		if len(ids) != 2701 || rows != 27000 || len(ids["k=large"]) != 2700 {
			t.Errorf("limit %d: %d keys, %d rows, %d of the large key; want 2701, 27000, 2700", limit, len(ids), rows, len(ids["k=large"]))
		}
		if n := reads.Load(); limit == 1<<30 && n != 2*3 {
			t.Errorf("%d reads, want one of each pack's list of segments, and one of each pack for the unit", n)
		}
		if used := budget.Used(); used != 0 {
			t.Errorf("limit %d: %d bytes are counted once the hour is sealed", limit, used)
		}
	}
}

// A merge once had 64 MiB of packs, a block of each of them and thousands of files in memory, and the job's budget knew of none.
func TestAMergeCountsInTheBudgetAndStaysWithin(t *testing.T) {
	const limit = 8 << 20
	budget := driver.NewBudget(limit)
	reads, most := atomic.Int64{}, atomic.Int64{}
	write(t, budget, func(c sinktest.Call) {
		if c.Op == sinktest.OpReadRange {
			reads.Add(1)
		}
		for used := budget.Used(); reads.Load() > 0; {
			if was := most.Load(); used <= was || most.CompareAndSwap(was, used) {
				break
			}
		}
	})
	if n := most.Load(); n < 1<<20 || n > limit {
		t.Errorf("a merge with %d reads used %d bytes of a budget of %d", reads.Load(), n, limit)
	}
}
