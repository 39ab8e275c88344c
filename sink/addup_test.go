package sink_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// drop passes records of a lane that have no row.
func (in *instance) drop(lane string, at time.Time, f record.Fate, n int) {
	for range n {
		in.consume(lane, at, f)
	}
}

// totals adds up all manifests.
func totals(t *testing.T, store sink.Store) (manifests int, read int64, counts map[string]int64) {
	t.Helper()
	counts = map[string]int64{}
	for m, err := range sink.Committed(testContext(t), store, "job", 0, &sink.ReadOptions{Poll: -1}) {
		if err != nil {
			t.Fatal(err)
		}
		manifests++
		for _, p := range m.Partitions {
			read += p.Read
			for fate, n := range p.Counts {
				counts[fate] += n
			}
		}
	}
	return manifests, read, counts
}

// T55: commits without files had no manifest, so those of a job that had read 24,999 records added up to 21,738.
func TestManifestsAddUp(t *testing.T) {
	store, _ := memory(noon.Add(5 * time.Hour))
	in := open(t, store, quarter, nil, rowsFlow("rows"))
	in.acquire("a", "b")
	in.write("a", noon, 1, 2, 3)
	in.commit()
	in.drop("a", noon, record.Duplicate, 4) // counts and no file
	in.commit()
	in.drop("b", noon, record.Filtered, 5)
	in.write("a", noon, 4)
	in.commit()
	in.seen("a", noon.Add(2*time.Hour)) // clocks alone
	in.seen("b", noon.Add(2*time.Hour))
	in.commit()
	manifests, read, counts := totals(t, store)
	if want := map[string]int64{"written": 4, "duplicate": 4, "filtered": 5}; read != 13 || !maps.Equal(counts, want) {
		t.Errorf("manifests add up to %d records, %v; want 13, %v", read, counts, want)
	}
	if manifests != 3 {
		t.Errorf("%d manifests, want 3: the last commit only moves clocks", manifests)
	}
	if up := in.maintain("a", "b"); up.ClosedHours != 1 {
		t.Errorf("%d hours are closed, want 1", up.ClosedHours)
	}
	s, err := sink.Inspect(testContext(t), store, "job", nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.Read != read || s.Counts.Sum() != 13 || len(s.Unpublished) != 0 {
		t.Errorf("the ledger counts %d records, %v, and has %v pending; want what the manifests say", s.Read, s.Counts, s.Unpublished)
	}
}

// Whose author died before it could create a manifest of counts alone is published like any other, and no hour waits for it.
func TestAManifestOfCountsAloneIsMadeByOthers(t *testing.T) {
	store, _ := memory(noon.Add(5 * time.Hour))
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	manifest := ""
	dying := sinktest.NewFaulty(store, func(_ context.Context, c sinktest.Call) sinktest.Mode {
		if c.Op == sinktest.OpCreate && strings.Contains(c.Key, "/manifests/") {
			manifest = c.Key
			cancel()
			return sinktest.Crash
		}
		return sinktest.Pass
	})
	dead := open(t, dying, quarter, nil, rowsFlow("rows"))
	dead.acquire("a")
	dead.drop("a", noon, record.Filtered, 2)
	dead.seen("a", noon.Add(2*time.Hour))
	if _, err := dead.txn.Commit(ctx, dead.cut()); err == nil || errors.Is(err, driver.ErrFenced) {
		t.Fatalf("commit: %v, want an error about the manifest", err)
	}
	other := open(t, store, quarter, nil, rowsFlow("rows"))
	other.acquire("b")
	other.write("b", noon, 1)
	other.seen("b", noon.Add(2*time.Hour))
	other.commit()
	if up := other.maintain("a", "b"); up.ClosedHours != 1 {
		t.Errorf("%d hours are closed, want 1: entry 2 has no files that one could wait for", up.ClosedHours)
	}
	if slices.Contains(keys(t, store, "_onceflow/job/e0001/manifests/"), manifest) {
		t.Fatal("the manifest is there at once, so this tests nothing")
	}
	for range 7 { // minutes
		other.maintain("a", "b")
	}
	if got := keys(t, store, "_onceflow/job/e0001/manifests/"); !slices.Contains(got, manifest) {
		t.Errorf("manifests %q, want %q too", got, manifest)
	}
}
