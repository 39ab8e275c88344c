package parquet_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	pq "github.com/parquet-go/parquet-go"

	"github.com/onceflow/onceflow/internal/hourtest"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/codec"
	"github.com/onceflow/onceflow/sink/parquet"
)

// flow has a key with half of the rows, and others with a few.
func flow(t testing.TB, merge bool, opts *parquet.Options) sink.Flow[flat] {
	t.Helper()
	key := func(v *flat) string {
		if v.Mobile {
			return "large"
		}
		return fmt.Sprint("k", v.ID%40)
	}
	return sink.Flow[flat]{
		Name: "rows", Format: must[flat](t)(parquet.For[flat](opts)), Merge: merge, Keys: []sink.Key[flat]{{Name: "k", Value: key}},
	}
}

// idsOf returns the IDs in files, sorted, and how many row groups these have.
func idsOf(t testing.TB, files []hourtest.File) (ids []int64, groups int) {
	t.Helper()
	for _, f := range files {
		file := open(t, f.Body)
		if file.NumRows() != f.Rows {
			t.Errorf("%s says that it has %d rows, its record says %d", f.Key, file.NumRows(), f.Rows)
		}
		groups += len(file.RowGroups())
		for _, g := range file.RowGroups() {
			values := make([]pq.Value, g.NumRows())
			pages := g.ColumnChunks()[0].Pages()
			for {
				p, err := pages.ReadPage()
				if err != nil {
					break
				}
				n, _ := p.Values().ReadValues(values)
				for _, v := range values[:n] {
					ids = append(ids, v.Int64())
				}
			}
			_ = pages.Close()
		}
	}
	slices.Sort(ids)
	return ids, groups
}

func whole(ids []int64, n int) bool {
	return len(ids) == n && ids[0] == 0 && ids[n-1] == int64(n-1) && len(slices.Compact(slices.Clone(ids))) == n
}

func TestAnHourHasOneFileForEachKey(t *testing.T) {
	rows := flats(30_000)
	for _, merge := range []bool{false, true} {
		f := flow(t, merge, nil)
		h := hourtest.Write(t, hourtest.Options{},
			hourtest.Commit[flat]{Flow: f, Rows: rows[:10_000]}, hourtest.Commit[flat]{Flow: f, Rows: rows[10_000:10_010]},
			hourtest.Commit[flat]{Flow: flow(t, merge, nil), Rows: rows[10_010:]})
		ids, groups := idsOf(t, h.Files)
		if !whole(ids, len(rows)) {
			t.Errorf("merged %t: the %d rows in the files are not those written", merge, len(ids))
		}
		if want := map[bool]int{false: 21 + 6 + 21, true: 21}[merge]; len(h.Files) != want || groups != want {
			t.Errorf("merged %t: %d files with %d row groups, want %d with one each", merge, len(h.Files), groups, want)
		}
		for _, file := range h.Files {
			if !strings.HasSuffix(file.Key, ".parquet") {
				t.Errorf("the file %s", file.Key)
			}
		}
	}
}

// A schema that changes in a deploy, or another codec, is another file.
func TestAnotherHeaderBeginsAnotherFile(t *testing.T) {
	rows := flats(100)
	a, b := flow(t, true, nil), flow(t, true, &parquet.Options{Codec: parquet.Snappy})
	a.Keys, b.Keys = nil, nil
	h := hourtest.Write(t, hourtest.Options{}, hourtest.Commit[flat]{Flow: a, Rows: rows[:50]}, hourtest.Commit[flat]{Flow: b, Rows: rows[50:]})
	if ids, _ := idsOf(t, h.Files); !whole(ids, 100) || len(h.Files) != 2 {
		t.Errorf("%d files with %d rows, want two with 100", len(h.Files), len(ids))
	}
}

func TestRowGroupsHaveTheSizeThatOptionsAndMemoryAllow(t *testing.T) {
	rows := flats(60_000)
	for i := range rows {
		rows[i].URL = fmt.Sprintf("%08x%08x%08x", uint32(i*2654435761), uint32(i*40503), uint32(i*97)*2654435761)
	}
	for name, c := range map[string]struct {
		opts        *parquet.Options
		memory      int64
		least, most int
		merge       bool
	}{
		"default":               {nil, 0, 1, 1, true},
		"small groups":          {&parquet.Options{RowGroupBytes: 256 << 10}, 0, 5, 40, true},
		"little memory":         {nil, 2 << 20, 3, 20, true},
		"direct":                {nil, 0, 1, 1, false},
		"direct, little memory": {nil, 2 << 20, 10, 200, false},
	} {
		f := flow(t, c.merge, c.opts)
		f.Keys = nil
		h := hourtest.Write(t, hourtest.Options{Memory: c.memory}, hourtest.Commit[flat]{Flow: f, Rows: rows})
		ids, groups := idsOf(t, h.Files)
		if !whole(ids, len(rows)) || groups < c.least || groups > c.most {
			t.Errorf("%s: %d rows in %d row groups of %d files, want %d to %d groups", name, len(ids), groups, len(h.Files), c.least, c.most)
		}
	}
}

func TestAMergedFileIsCutAtItsSize(t *testing.T) {
	rows := flats(60_000)
	for i := range rows {
		rows[i].Body = fmt.Appendf(nil, "%032x%x", uint64(i)*0x9e3779b97f4a7c15, uint64(i)*0xc2b2ae3d27d4eb4f)
	}
	f := flow(t, true, nil)
	f.Keys = nil
	h := hourtest.Write(t, hourtest.Options{Options: sink.Options{FileBytes: 1 << 20}}, hourtest.Commit[flat]{Flow: f, Rows: rows})
	if ids, _ := idsOf(t, h.Files); !whole(ids, len(rows)) || len(h.Files) < 2 {
		t.Errorf("%d files with %d rows, want several with %d", len(h.Files), len(ids), len(rows))
	}
	for _, file := range h.Files {
		if len(file.Body) > 2<<20 {
			t.Errorf("%s has %d bytes", file.Key, len(file.Body))
		}
	}
}

// Rule 3.1: a record is dead before any of its rows is in the transaction.
func TestARowThatDoesNotFitIsADeadLetter(t *testing.T) {
	rows := flats(1000)
	rows[17].At = time.Date(400_000, 1, 1, 0, 0, 0, 0, time.UTC)
	rows[999].Price = 1e18
	for _, merge := range []bool{false, true} {
		h := hourtest.Write(t, hourtest.Options{}, hourtest.Commit[flat]{Flow: flow(t, merge, nil), Rows: rows})
		ids, _ := idsOf(t, h.Files)
		if len(ids) != 998 || slices.Contains(ids, 17) || slices.Contains(ids, 999) {
			t.Errorf("merged %t: %d rows, want 998 without the two that do not fit", merge, len(ids))
		}
		if len(h.Dead) != 2 || h.Dead[0].Index != 17 || !strings.Contains(h.Dead[0].Err.Error(), "field at") || !strings.Contains(h.Dead[1].Err.Error(), "field price") {
			t.Errorf("merged %t: dead are %v", merge, h.Dead)
		}
	}
}

func TestACodecOfTheFlowIsRefused(t *testing.T) {
	f := flow(t, true, nil)
	f.Codec = codec.Gzip
	h := hourtest.Hour[flat]{}
	if _, err := sink.Open(t.Context(), h.Store, "job", []sink.Flow[flat]{f}, nil); err == nil || !strings.Contains(err.Error(), "compresses by itself") {
		t.Errorf("got %v", err)
	}
}

// A checker that was written from docs/format.md alone.
func TestFilesAreThoseOfTheFormatsDescription(t *testing.T) {
	rows := flats(30_000)
	h := hourtest.Write(t, hourtest.Options{},
		hourtest.Commit[flat]{Flow: flow(t, true, nil), Rows: rows[:20_000]}, hourtest.Commit[flat]{Flow: flow(t, true, nil), Rows: rows[20_000:]})
	if said, well := h.Verify(t, nil); !well || !strings.Contains(said, "into 21 files with 30,000 rows") {
		t.Errorf("it says\n%s", said)
	}
}
