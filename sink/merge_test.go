package sink_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/codec"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// keyed is a flow with a folder for each key.
func keyed(merge bool) sink.Flow[row] {
	f := rowsFlow("rows")
	f.Keys = []sink.Key[row]{{Name: "k", Value: func(r *row) string { return r.Key }}}
	f.Merge = merge
	return f
}

// events are rows of one time, by ID, whose keys are their IDs modulo keys.
func keyedEvents(at time.Time, keys int, ids ...int) (all []record.Event[row]) {
	for _, id := range ids {
		all = append(all, record.Event[row]{Value: row{ID: id, Key: fmt.Sprint("a", id%keys)}, Time: at})
	}
	return all
}

func (in *instance) writeEvents(lane string, rows ...record.Event[row]) {
	in.t.Helper()
	if _, err := in.tryEvents(lane, rows...); err != nil {
		in.t.Fatal(err)
	}
}

// idsOf returns the IDs in the files of an hour's folder, by key folder, in the order of files and rows.
func idsOf(t *testing.T, store *sinktest.Memory, folder string) map[string][]int {
	t.Helper()
	out := map[string][]int{}
	for _, key := range keys(t, store, folder) {
		if strings.HasSuffix(key, "_SEALED") {
			continue
		}
		body, err := store.Read(t.Context(), key, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		k := strings.Split(strings.TrimPrefix(key, folder), "/")[0]
		out[k] = append(out[k], rowIDs(t, key, body)...)
	}
	return out
}

const noonFolder = "rows/day=2025-05-01/hour=12/"

// A commit a minute made a file per advertiser and minute: 60 times as many files as anybody wants.
func TestAnHourHasOneFileForEachKey(t *testing.T) {
	for _, c := range []codec.Codec{codec.None, codec.Gzip} {
		store, _ := memory(noon.Add(3 * time.Hour))
		flow := keyed(true)
		flow.Codec = c
		in := open(t, store, quarter, nil, flow)
		in.acquire("a")
		in.writeEvents("a", keyedEvents(noon, 3, 1, 2, 3, 4, 5)...)
		in.commit()
		in.writeEvents("a", keyedEvents(noon.Add(time.Minute), 3, 6, 7, 8)...)
		in.writeEvents("a", keyedEvents(noon.Add(2*time.Hour), 3, 9)...)
		in.commit()
		if got := keys(t, store, "rows/"); len(got) != 0 {
			t.Errorf("before the hour is closed its folder has %s", got)
		}
		in.maintain("a")
		want := map[string][]int{"k=a0": {3, 6}, "k=a1": {1, 4, 7}, "k=a2": {2, 5, 8}}
		if got := idsOf(t, store, noonFolder); !maps.EqualFunc(got, want, slices.Equal) {
			t.Errorf("the hour has %v, want %v", got, want)
		}
		if got := keys(t, store, noonFolder); len(got) != 4 || !slices.Contains(got, noonFolder+"_SEALED") {
			t.Errorf("%s: the hour has %s, want one file for each of three keys and a seal", c.Ext(), got)
		}
		m, err := sink.Sealed(t.Context(), store, "job", noon, nil)
		if err != nil || len(m.Files) != 3 || m.Flows["rows"].Rows != 8 {
			t.Errorf("the hour's manifest says %+v, %v", m, err)
		}
		for m, err := range sink.Committed(t.Context(), store, "job", 0, &sink.ReadOptions{Poll: -1}) {
			if err != nil || len(m.Files) != 0 || len(m.Packs) == 0 || m.Flows["rows"].Rows == 0 {
				t.Errorf("a transaction's manifest says %+v, %v", m, err)
			}
		}
		if n := staged(t, store); n != 0 {
			t.Errorf("%d files are left in staging", n)
		}
	}
}

func TestAnHourMayHavePacksAndFilesOfOneFlow(t *testing.T) {
	store, _ := memory(noon.Add(3 * time.Hour))
	in := open(t, store, quarter, nil, keyed(false))
	in.acquire("a")
	in.writeEvents("a", keyedEvents(noon, 1, 1, 2)...)
	in.commit()
	in = open(t, store, quarter, nil, keyed(true))
	in.acquire("a")
	in.writeEvents("a", keyedEvents(noon.Add(time.Minute), 1, 3)...)
	in.commit()
	in = open(t, store, quarter, nil, keyed(false))
	in.acquire("a")
	in.writeEvents("a", keyedEvents(noon.Add(2*time.Minute), 1, 4)...)
	in.writeEvents("a", keyedEvents(noon.Add(2*time.Hour), 1, 5)...)
	in.commit()
	in.maintain("a")
	got := idsOf(t, store, noonFolder)["k=a0"]
	slices.Sort(got)
	if !slices.Equal(got, []int{1, 2, 3, 4}) {
		t.Errorf("the hour has %v", got)
	}
	m, err := sink.Sealed(t.Context(), store, "job", noon, nil)
	if err != nil || len(m.Files) != 3 || m.Flows["rows"].Rows != 4 {
		t.Errorf("the hour's manifest says %+v, %v", m, err)
	}
}

// A deploy turns Merge on or off while processes of before and after it commit by turns, each its own lanes, and lanes move from the
// ones to the others. Whoever closes the hour, and whoever merges it, each row is in it once.
func TestBothVersionsOfADeployWorkInOneJob(t *testing.T) {
	for _, after := range []bool{true, false} { // what the deploy makes of Merge
		for _, closer := range []string{"old", "new"} {
			t.Run(fmt.Sprintf("Merge becomes %v, %s process closes", after, closer), func(t *testing.T) {
				store, _ := memory(noon.Add(3 * time.Hour))
				old, next := open(t, store, quarter, nil, keyed(!after)), open(t, store, quarter, nil, keyed(after))
				old.acquire("a", "b")
				id := 0
				write := func(in *instance, lanes ...string) {
					for _, lane := range lanes {
						in.writeEvents(lane, keyedEvents(noon.Add(time.Duration(id)*time.Minute), 3, id+1, id+2, id+3)...)
						id += 3
					}
					in.commit()
				}
				write(old, "a", "b")
				next.acquire("c")
				for range 2 { // by turns
					write(old, "a", "b")
					write(next, "c")
				}
				old.writeEvents("b", keyedEvents(noon, 3, 1000)...) // not committed when the lane moves
				next.acquire("b", "c")
				write(next, "b", "c")
				if err := old.tryCommit(); !errors.Is(err, driver.ErrFenced) {
					t.Fatalf("a commit without the lane: %v, want ErrFenced", err)
				}
				delete(old.at, "b")
				old.acquire("a")
				write(old, "a")
				last := noon.Add(2 * time.Hour)
				old.writeEvents("a", keyedEvents(last, 3, 2000)...)
				old.commit()
				next.writeEvents("b", keyedEvents(last, 3, 2001)...)
				next.writeEvents("c", keyedEvents(last, 3, 2002)...)
				next.commit()
				in := map[string]*instance{"old": old, "new": next}[closer]
				in.maintain("a", "b", "c")

				m, err := sink.Sealed(t.Context(), store, "job", noon, nil)
				if err != nil || m.Flows["rows"].Rows != int64(id) {
					t.Fatalf("the hour's manifest says %+v, %v, want %d rows", m, err, id)
				}
				var got []int
				for key, ids := range idsOf(t, store, noonFolder) {
					for _, n := range ids {
						if want := fmt.Sprint("k=a", n%3); key != want {
							t.Errorf("row %d is in %s, want %s", n, key, want)
						}
					}
					got = append(got, ids...)
				}
				slices.Sort(got)
				if want := upTo(id + 1)[1:]; !slices.Equal(got, want) {
					t.Errorf("the hour has rows %v, want each of 1 to %d once", got, id)
				}
				packs, direct := 0, 0
				for m, err := range sink.Committed(t.Context(), store, "job", 0, &sink.ReadOptions{Poll: -1}) {
					if err != nil {
						t.Fatal(err)
					}
					packs, direct = packs+len(m.Packs), direct+len(m.Files)
				}
				if packs == 0 || direct == 0 {
					t.Errorf("%d packs and %d files were committed, want both", packs, direct)
				}
				if n := staged(t, store); n != 0 {
					t.Errorf("%d files are left in staging", n)
				}
			})
		}
	}
}

func TestLateRowsOfAMergedFlowAreInOneFileForEachCommit(t *testing.T) {
	store, _ := memory(noon.Add(3 * time.Hour))
	in := open(t, store, quarter, nil, keyed(true))
	in.acquire("a")
	in.writeEvents("a", keyedEvents(noon.Add(2*time.Hour), 1, 1)...)
	in.commit()
	in.writeEvents("a", keyedEvents(noon, 5, 2, 3, 4, 5, 6)...)
	in.commit()
	if got := keys(t, store, "late/"); len(got) != 1 || strings.Contains(got[0], "/k=") {
		t.Errorf("late rows are in %s", got)
	}
}

func TestPacksGoOnceTheirHourIsSealedForLongEnough(t *testing.T) {
	store, clock := memory(noon.Add(3 * time.Hour))
	in := open(t, store, quarter, &sink.Options{Keep: 48 * time.Hour}, keyed(true))
	in.acquire("a")
	in.writeEvents("a", keyedEvents(noon, 1, 1)...)
	in.writeEvents("a", keyedEvents(noon.Add(2*time.Hour), 1, 2)...)
	in.commit()
	packs := func() int { return len(keys(t, store, "_onceflow/job/e0001/packs/")) }
	in.maintain("a")
	if n := packs(); n != 2 {
		t.Fatalf("%d packs are there, want 2", n)
	}
	sealed := clock.t
	for _, c := range []struct {
		at   time.Duration
		want int
	}{{48*time.Hour - time.Second, 2}, {48 * time.Hour, 1}} {
		clock.t = sealed.Add(c.at)
		in = open(t, store, quarter, &sink.Options{Keep: 48 * time.Hour}, keyed(true)) // it looks at once
		in.maintain("a")
		if n := packs(); n != c.want {
			t.Errorf("%s after the seal %d packs are there, want %d: one hour is open", c.at, n, c.want)
		}
	}
}

func TestMergeIsRefusedWhereItCannotWork(t *testing.T) {
	store, _ := memory(noon)
	for name, c := range map[string]struct {
		seal *sink.SealOptions
		opts *sink.Options
		want string
	}{
		"without seals":   {nil, nil, "Merge"},
		"with tiny files": {quarter, &sink.Options{FileBytes: 1 << 19}, "FileBytes"},
		"with huge files": {quarter, &sink.Options{FileBytes: 5 << 30}, "FileBytes"},
	} {
		if _, err := tryOpen(t, store, c.seal, c.opts, keyed(true)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error about %s", name, err, c.want)
		}
	}
}

// M05
func TestAMergedFileHasRowsInTheOrderOfEntries(t *testing.T) {
	store, _ := memory(noon.Add(3 * time.Hour))
	first, second := open(t, store, quarter, nil, keyed(true)), open(t, store, quarter, nil, keyed(true))
	first.acquire("a")
	first.writeEvents("a", keyedEvents(noon, 1, 1)...)
	first.commit()
	second.acquire("b") // the names of its packs sort behind those of the first, which acquired earlier
	second.writeEvents("b", keyedEvents(noon, 1, 2)...)
	second.writeEvents("b", keyedEvents(noon.Add(2*time.Hour), 1, 3)...)
	second.commit()
	first.writeEvents("a", keyedEvents(noon, 1, 4)...)
	first.writeEvents("a", keyedEvents(noon.Add(2*time.Hour), 1, 5)...)
	first.commit()
	for range 5 { // the first time each leaves to the other what that has committed
		second.maintain("a", "b")
		first.maintain("a", "b")
	}
	if got := idsOf(t, store, noonFolder)["k=a0"]; !slices.Equal(got, []int{1, 2, 4}) {
		t.Errorf("the file has %v, want the rows of the first entry, of the second's, and of the third", got)
	}
}

// M09
func TestAMergedFileIsCutAtTheEndOfARecord(t *testing.T) {
	store, _ := memory(noon.Add(3 * time.Hour))
	in := open(t, store, quarter, &sink.Options{FileBytes: 1 << 20}, keyed(true))
	in.acquire("a")
	var rows []record.Event[row]
	for id := range 15 {
		rows = append(rows, record.Event[row]{
			Value: row{ID: id, Kind: strings.Repeat("x", 300<<10)}, Time: noon, Origin: record.NewOrigin(uint32(1 + id/5)),
		})
	}
	in.writeEvents("a", rows...)
	in.writeEvents("a", keyedEvents(noon.Add(2*time.Hour), 1, 20)...)
	in.commit()
	in.maintain("a")
	files := 0
	for _, key := range keys(t, store, noonFolder) {
		if strings.HasSuffix(key, "_SEALED") {
			continue
		}
		files++
		body, err := store.Read(t.Context(), key, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		var ids []int
		for line := range bytes.Lines(body) {
			var r row
			if err := json.Unmarshal(line, &r); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, r.ID)
		}
		if len(ids)%5 != 0 || ids[0]%5 != 0 {
			t.Errorf("%s has the rows %v: it begins or ends within a record of five", key, ids)
		}
	}
	if files != 3 {
		t.Errorf("%d files, want 3 of more than 1 MiB", files)
	}
}

// M11, M24
func TestAMergeRecordOfUnknownOutcomeLosesNothing(t *testing.T) {
	for _, mode := range []sinktest.Mode{sinktest.ApplyLate, sinktest.ApplyThenExist, sinktest.ApplyThenFail} {
		mem, _ := memory(noon.Add(3 * time.Hour))
		faults := true
		store := sinktest.NewFaulty(mem, func(_ context.Context, c sinktest.Call) sinktest.Mode {
			if faults && c.Op == sinktest.OpCreate && strings.Contains(c.Key, "/merges/") {
				return mode
			}
			return sinktest.Pass
		})
		store.Delay = -1
		in := open(t, store, quarter, nil, keyed(true))
		in.acquire("a")
		in.writeEvents("a", keyedEvents(noon, 2, 1, 2)...)
		in.writeEvents("a", keyedEvents(noon.Add(2*time.Hour), 2, 3)...)
		in.commit()
		if _, err := in.tryMaintain("a"); err == nil && mode == sinktest.ApplyLate {
			t.Error("the outcome is unknown, and Maintain knows nothing of it")
		}
		faults = false
		store.Land(-1)
		in.maintain("a")
		want := map[string][]int{"k=a0": {2}, "k=a1": {1}}
		if got := idsOf(t, mem, noonFolder); !maps.EqualFunc(got, want, slices.Equal) {
			t.Errorf("%s: the hour has %v, want %v", mode, got, want)
		}
	}
}

// M12
func TestMergedFilesAreInPlaceBeforeTheSeal(t *testing.T) {
	mem, _ := memory(noon.Add(3 * time.Hour))
	refused := 0
	store := sinktest.NewFaulty(mem, func(_ context.Context, c sinktest.Call) sinktest.Mode {
		if refused < 20 && c.Op == sinktest.OpPublish && strings.HasPrefix(c.Key, "rows/") {
			refused++
			return sinktest.Refuse
		}
		return sinktest.Pass
	})
	in := open(t, store, quarter, nil, keyed(true))
	in.acquire("a")
	in.writeEvents("a", keyedEvents(noon, 2, 1, 2)...)
	in.writeEvents("a", keyedEvents(noon.Add(2*time.Hour), 2, 3)...)
	in.commit()
	in.maintain("a")
	m, err := sink.Sealed(t.Context(), mem, "job", noon, nil)
	if err != nil || len(m.Files) != 2 || refused < 20 {
		t.Fatalf("the hour's manifest says %+v, %v", m, err)
	}
	for _, f := range m.Files {
		if _, err := mem.Read(t.Context(), f.Key, f.Length); err != nil {
			t.Errorf("the hour is sealed, and %v", err)
		}
	}
}
