package sink_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/codec"
	"github.com/onceflow/onceflow/sink/escape"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

func TestAllWorkersWriteOneFilePerFolder(t *testing.T) {
	for name, codec := range map[string]codec.Codec{"none": codec.None, "gzip": codec.Gzip} {
		t.Run(name, func(t *testing.T) {
			store, _ := memory(noon)
			flow := rowsFlow("rows")
			flow.Codec = codec
			in := open(t, store, nil, nil, flow)
			in.acquire("a", "b")
			const each = 20_000
			var wg sync.WaitGroup
			for worker, lane := range []string{"a", "b"} {
				wg.Go(func() {
					for i := 0; i < each; i += 1000 {
						rows := make([]record.Event[row], 1000)
						for j := range rows {
							rows[j] = record.Event[row]{Value: row{ID: worker*each + i + j, Key: "some text to fill the row"}, Time: noon}
						}
						_, err := in.txn.Write(t.Context(), driver.Writer{Lane: lane, Worker: worker}, rows, make([]record.Fate, len(rows)))
						if err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			for _, lane := range []string{"a", "b"} {
				in.at[lane] = driver.Progress{UpTo: record.Position{Sub: each}}
				in.read[lane], in.done[lane] = each, record.Counts{record.Written: each}
			}
			in.commit()
			if got := visible(t, store, "rows/"); !slices.Equal(got, upTo(2*each)) {
				t.Errorf("%d rows, want %d different ones", len(got), 2*each)
			}
			if got := keys(t, store, "rows/"); len(got) != 1 {
				t.Errorf("%d files, want 1", len(got))
			}
		})
	}
}

func TestAFileIsCutAtItsSize(t *testing.T) {
	store, _ := memory(noon)
	in := open(t, store, nil, &sink.Options{FileBytes: 200 << 10}, rowsFlow("rows"))
	in.acquire("a")
	in.write("a", noon, upTo(100_000)...)
	in.commit()
	files := keys(t, store, "rows/")
	if len(files) < 4 {
		t.Errorf("%d files, want several", len(files))
	}
	if got := visible(t, store, "rows/"); !slices.Equal(got, upTo(100_000)) {
		t.Errorf("%d rows, want 100000 different ones", len(got))
	}
	for _, f := range files {
		body, err := store.Read(t.Context(), f, 1<<30)
		if err != nil || len(body) > 600<<10 {
			t.Errorf("%s has %d bytes, %v", f, len(body), err)
		}
	}
}

func TestManifestTellsTheBytesThatAreThere(t *testing.T) {
	store, _ := memory(noon)
	flow := rowsFlow("rows")
	flow.Codec = codec.Gzip
	in := open(t, store, nil, &sink.Options{FileBytes: 10 << 10}, flow)
	in.acquire("a")
	in.write("a", noon, upTo(50_000)...)
	in.commit()
	rows := int64(0)
	for m, err := range sink.Committed(testContext(t), store, "job", 0, &sink.ReadOptions{Poll: -1}) {
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range m.Files {
			body, err := store.Read(t.Context(), f.Key, 1<<30)
			if err != nil {
				t.Fatal(err)
			}
			if int64(len(body)) != f.Length || fmt.Sprintf("%08x", crc(body)) != f.CRC32C {
				t.Errorf("%s has %d bytes with CRC %08x, the manifest says %d and %s", f.Key, len(body), crc(body), f.Length, f.CRC32C)
			}
			if n := len(lines(t, f.Key, body)); int64(n) != f.Rows {
				t.Errorf("%s has %d rows, the manifest says %d", f.Key, n, f.Rows)
			}
			rows += f.Rows
		}
		if m.Partitions[0].Read != 50_000 || m.Partitions[0].Counts["written"] != 50_000 || m.Flows["rows"].Rows != 50_000 {
			t.Errorf("manifest %+v, want 50000 records and rows", m)
		}
	}
	if rows != 50_000 {
		t.Errorf("%d rows, want 50000", rows)
	}
}

func TestKeysMakeFoldersWithEscapedValues(t *testing.T) {
	store, _ := memory(noon)
	flow := rowsFlow("rows")
	flow.Keys = []sink.Key[row]{
		{Name: "kind", Value: func(r *row) string { return r.Kind }}, {Name: "key", Value: func(r *row) string { return r.Key }},
	}
	in := open(t, store, nil, nil, flow)
	in.acquire("a")
	values := []row{
		{1, "a/b", "c"}, {2, "a", "b/c"}, {3, "..", ""}, {4, "", ".."}, {5, "a", strings.Repeat("ü", 1000)}, {6, "a", strings.Repeat("ü", 1001)},
		{7, "a\x00b", "=?#"}, {8, "A", "x"}, {9, "a/b", "c"},
	}
	var evs []record.Event[row]
	for _, v := range values {
		evs = append(evs, record.Event[row]{Value: v, Time: noon})
	}
	if _, err := in.tryEvents("a", evs...); err != nil {
		t.Fatal(err)
	}
	in.commit()
	files := keys(t, store, "rows/day=2025-05-01/hour=12/kind=")
	if len(files) != 8 {
		t.Errorf("%d files, want one for each of 8 tuples:\n%s", len(files), strings.Join(files, "\n"))
	}
	for _, f := range files {
		parts := strings.Split(f, "/")
		kind, err := escape.Undo(strings.TrimPrefix(parts[3], "kind="))
		if err != nil {
			t.Fatal(err)
		}
		body, err := store.Read(t.Context(), f, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range lines(t, f, body) {
			var r row
			if err := json.Unmarshal(line, &r); err != nil || r.Kind != kind {
				t.Errorf("row %s lies in %s", line, f)
			}
		}
	}
}

// picky is a format that cannot write negative IDs, and finds out when it has written half of the row.
type picky struct{ format.Format[row] }

func (p picky) Open() format.Encoder[row] { return pickyEncoder{p.Format.Open()} }

type pickyEncoder struct{ format.Encoder[row] }

var errPicky = errors.New("negative")

func (p pickyEncoder) Encode(dst []byte, r *row) ([]byte, error) {
	if r.ID < 0 {
		return append(dst, "half a "...), errPicky
	}
	return p.Encoder.Encode(dst, r)
}

func TestARowThatCannotBeEncodedIsInNoFlow(t *testing.T) {
	store, _ := memory(noon)
	second := rowsFlow("second")
	second.Format = picky{second.Format}
	in := open(t, store, nil, nil, rowsFlow("first"), second, rowsFlow("third"))
	in.acquire("a")
	rows := []record.Event[row]{
		{Value: row{ID: 1}, Time: noon}, {Value: row{ID: -1}, Time: noon}, {Value: row{ID: 2}, Time: noon}, {Value: row{ID: 3}},
	}
	fates := make([]record.Fate, 4)
	bad, err := in.txn.Write(t.Context(), driver.Writer{Lane: "a"}, rows, fates)
	if err != nil {
		t.Fatal(err)
	}
	if want := []record.Fate{record.Written, record.Dead, record.Written, record.Dead}; !slices.Equal(fates, want) {
		t.Errorf("fates %v, want %v", fates, want)
	}
	if len(bad) != 2 || bad[0].Index != 1 || !errors.Is(bad[0].Err, errPicky) || bad[1].Index != 3 {
		t.Errorf("bad rows %v, want rows 1 and 3", bad)
	}
	in.at["a"] = driver.Progress{UpTo: record.Position{Sub: 4}}
	in.read["a"], in.done["a"] = 4, record.Counts{record.Written: 2, record.Dead: 2}
	in.commit()
	for _, flow := range []string{"first/", "second/", "third/"} {
		if got := visible(t, store, flow); !slices.Equal(got, []int{1, 2}) {
			t.Errorf("flow %s has %v, want 1 and 2", flow, got)
		}
	}
}

func TestFatesOfRows(t *testing.T) {
	store, _ := memory(noon)
	in := open(t, store, nil, nil, oddFlow("odd"))
	in.acquire("a")
	if got := in.write("a", noon, 1, 2); got[0] != record.Written || got[1] != record.Filtered {
		t.Errorf("fates %v, want written and filtered", got)
	}
}

func TestDeadLettersAreInTheTransactionWithTheirBytes(t *testing.T) {
	store, _ := memory(noon)
	in := open(t, store, nil, nil, rowsFlow("rows"))
	in.acquire("a")
	p := part("a")
	err := in.txn.Reject(t.Context(), driver.Writer{Lane: "a"}, []driver.DeadLetter{
		{
			Record: record.Record{Partition: &p, Position: record.Position{Sub: 7}, Key: []byte("k"), Value: []byte("{broken\n"), Time: noon},
			Stage:  "decode", Err: errors.New("no JSON"), Read: noon.Add(90 * time.Minute),
		},
		{
			Record: record.Record{Position: record.Position{Sub: 8}, Value: []byte{0xff, 0}, Time: noon.AddDate(1e5, 0, 0)},
			Read:   noon.Add(90 * time.Minute),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := keys(t, store, "dead/"); len(got) != 0 {
		t.Errorf("%v is visible before the commit", got)
	}
	in.at["a"] = driver.Progress{UpTo: record.Position{Sub: 8}}
	in.read["a"], in.done["a"] = 2, record.Counts{record.Dead: 2}
	in.commit()
	files := keys(t, store, "dead/day=2025-05-01/hour=13/")
	if len(files) != 1 || !strings.HasSuffix(files[0], ".jsonl.gz") {
		t.Fatalf("dead letters %v, want one file under the hour of reading", files)
	}
	body, err := store.Read(t.Context(), files[0], 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	var got [2]format.DeadRow
	for i, line := range lines(t, files[0], body) {
		if err := json.Unmarshal(line, &got[i]); err != nil {
			t.Fatal(err)
		}
	}
	if g := got[0]; g.Source != "src" || g.Partition != "a" || g.Position != "7" || g.Error != "no JSON" || *g.Value != "{broken\n" || *g.Key != "k" {
		t.Errorf("dead letter %+v", g)
	}
	if g := got[1]; g.Key != nil || g.Value != nil || g.ValueBase64 != base64.StdEncoding.EncodeToString([]byte{0xff, 0}) || !g.Time.IsZero() {
		t.Errorf("dead letter %+v, want its value in base64, no key, and no time of the year 102025", g)
	}
}

func TestManyFilesGoToABlob(t *testing.T) {
	store, _ := memory(noon.Add(3 * time.Hour))
	flow := rowsFlow("rows")
	flow.Keys = []sink.Key[row]{{Name: "id", Value: func(r *row) string { return fmt.Sprint(r.ID) }}}
	in := open(t, store, quarter, nil, flow)
	in.acquire("a")
	const n = 5000
	in.write("a", noon, upTo(n)...)
	in.seen("a", noon.Add(2*time.Hour))
	in.commit()
	in.maintain("a")
	if got := visible(t, store, "rows/"); !slices.Equal(got, upTo(n)) {
		t.Errorf("%d rows, want %d", len(got), n)
	}
	if got := keys(t, store, "_onceflow/job/e0001/blobs/"); len(got) != 1 {
		t.Errorf("blobs %v, want 1", got)
	}
	again := open(t, store, quarter, nil, flow)
	again.acquire("a")
	if got := again.at["a"].UpTo.Sub; got != n {
		t.Errorf("a restart finds position %d, want %d", got, n)
	}
	h, err := sink.Sealed(testContext(t), store, "job", noon, nil)
	if err != nil || len(h.Files) != n {
		t.Errorf("the hour's manifest: %v, want %d files", err, n)
	}
}

func TestAPendingSetThatIsTooLongGoesToABlob(t *testing.T) {
	store, _ := memory(noon)
	in := open(t, store, nil, nil, rowsFlow("rows"))
	in.acquire("a")
	pending := driver.PendingSet{First: record.Position{Sub: 1}}
	for i := range uint32(200_000) {
		pending.Ordinals = append(pending.Ordinals, i*(i%7+1)/4+i*7) // ascending, hard to pack
	}
	slices.Sort(pending.Ordinals)
	pending.Ordinals = slices.Compact(pending.Ordinals)
	last := pending.Ordinals[pending.Len()-1]
	pending.Through = uint64(last) + 1
	in.at["a"] = driver.Progress{UpTo: record.Position{Sub: int64(last) + 1}, Pending: pending, PendingTime: noon, MaxEventTime: noon}
	in.read["a"] = int64(pending.Len())
	in.commit()
	if got := keys(t, store, "_onceflow/job/e0001/blobs/"); len(got) != 1 {
		t.Errorf("blobs %v, want 1", got)
	}
	again := open(t, store, nil, nil, rowsFlow("rows"))
	again.acquire("a")
	if got := again.at["a"].Pending; !slices.Equal(got.Ordinals, pending.Ordinals) || got.Through != pending.Through || got.First != pending.First {
		t.Errorf("a restart finds %d pending records, want %d", got.Len(), pending.Len())
	}
}

func TestBuffersStayWithinTheBudget(t *testing.T) {
	store, _ := memory(noon)
	flow := rowsFlow("rows")
	flow.Codec = codec.Gzip
	flow.Keys = []sink.Key[row]{{Name: "id", Value: func(r *row) string { return fmt.Sprint(r.ID % 10_000) }}}
	out, err := sink.Open(testContext(t), store, "job", []sink.Flow[row]{flow}, nil)
	if err != nil {
		t.Fatal(err)
	}
	const folders = 10_000 * 2000 // what they count for beside their rows
	budget := driver.NewBudget(folders + 8<<20)
	if err := out.Attach(testContext(t), driver.Job{Source: driver.SourceInfo{ID: "test", Topics: topics}, Workers: 1, Budget: budget}); err != nil {
		t.Fatal(err)
	}
	in := &instance{t: t, out: out, at: map[string]driver.Progress{}}
	in.acquire("a")
	most := int64(0)
	text := strings.Repeat("x", 200)
	for i := range 60 {
		rows := make([]record.Event[row], 1000)
		for j := range rows {
			rows[j] = record.Event[row]{Value: row{ID: i*1000 + j, Key: text}, Time: noon}
		}
		if _, err := in.tryEvents("a", rows...); err != nil {
			t.Fatal(err)
		}
		most = max(most, budget.Used())
	}
	if most > folders+9<<20 {
		t.Errorf("folders and buffers took %d bytes, the budget has 8 MiB for the latter", most)
	}
	in.commit()
	if used := budget.Used(); used != 0 {
		t.Errorf("after the commit %d bytes are counted", used)
	}
	if got := visible(t, store, "rows/"); !slices.Equal(got, upTo(60_000)) {
		t.Errorf("%d rows, want 60000", len(got))
	}
	if got := len(keys(t, store, "rows/")); got != 10_000 {
		t.Errorf("%d files, want 10000", got)
	}
}

func TestACommitRetriesUntilTheStoreIsBack(t *testing.T) {
	store, _ := memory(noon)
	failures := 0
	faulty := sinktest.NewFaulty(store, func(_ context.Context, c sinktest.Call) sinktest.Mode {
		if failures > 0 && (c.Op == sinktest.OpCreate || c.Op == sinktest.OpPublish) {
			failures--
			return sinktest.Refuse
		}
		return sinktest.Pass
	})
	in := open(t, faulty, nil, nil, rowsFlow("rows"))
	in.acquire("a")
	in.write("a", noon, 1)
	failures = 100
	in.commit()
	if got := visible(t, store, "rows/"); !slices.Equal(got, []int{1}) || failures != 0 {
		t.Errorf("rows %v, %d failures left, want row 1 behind all failures", got, failures)
	}
}
