package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/examples/verify/internal/bucket"
	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/codec"
	sinkfile "github.com/onceflow/onceflow/sink/file"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/stream"
)

// mergedOutput is what the library makes of merged flows in several commits. How many depends on who is faster.
func mergedOutput(t *testing.T, e *env.Env) memory {
	t.Helper()
	for {
		if m := writeMerged(t, e); len(among(m, "/manifests/")) > 1 {
			return m
		}
	}
}

func writeMerged(t *testing.T, e *env.Env) memory {
	t.Helper()
	dir, in := t.TempDir(), t.TempDir()
	store, err := sinkfile.Open(dir, &sinkfile.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for part := range 2 {
		var b bytes.Buffer
		for i := range 900 {
			line, _ := json.Marshal(hit{i, fmt.Sprintf("/shop/%d?é=%d", i%5, part), at(0, 0).Add(time.Duration(i) * 10 * time.Second)})
			b.Write(append(line, '\n'))
		}
		if err := os.WriteFile(filepath.Join(in, fmt.Sprintf("%d.jsonl", part)), b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	hits := hitsIn(t, in)
	row := func(r *format.Row, h *hit) {
		r.Int(int64(h.ID))
		r.String(h.Page)
	}
	lines := func(r *format.Row, h *hit) {
		row(r, h)
		r.String("two\nlines")
	}
	page := []sink.Key[hit]{{Name: "page", Value: func(h *hit) string { return h.Page }}}
	ctx := env.With(t.Context(), e)
	files, err := sink.Open(ctx, store, "job", []sink.Flow[hit]{
		{Name: "json", Format: format.JSONLines[hit](), Codec: codec.Zstd, Keys: page, Merge: true},
		{Name: "csv", Format: format.CSV([]string{"id", "page", "lines"}, lines, nil), Codec: codec.Gzip, Keys: page, Merge: true},
		{Name: "plain", Format: format.CSV([]string{"id", "page"}, row, nil), Keys: page, Merge: true},
		{Name: "one", Format: format.TSV([]string{"id", "page"}, row), Codec: codec.LZ4, Merge: true},
		{Name: "beside", Format: format.JSONLines[hit](), Codec: codec.Zstd},
	}, &sink.Options{Prefix: prefix})
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Run(ctx, hits, seal.Hourly(files, nil), &stream.Options{CommitBytes: 1 << 10}); err != nil {
		t.Fatal(err)
	}
	m := memory{}
	folder := bucket.Folder(dir)
	for o, err := range folder.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if m[o.Key], err = bucket.Read(t.Context(), folder, o.Key, 1<<30); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// smallUnits makes units of few slots, and files that are cut.
func smallUnits() *env.Env {
	e := env.Default()
	e.MergeUnit, e.MergeFile = 3000, 800
	return e
}

// What the library merges passes, every row compared.
func TestMergedHoursPass(t *testing.T) {
	blobs := smallUnits()
	blobs.MaxEntry, blobs.SnapshotEvery = 2000, 2
	for name, e := range map[string]*env.Env{"one unit": env.Default(), "many": smallUnits(), "blobs and snapshots": blobs} {
		m := mergedOutput(t, e)
		said, violations, err := checked(t, m)
		if violations > 0 || err != nil {
			t.Fatalf("%s: got %v and\n%s", name, err, said)
		}
		t.Logf("%s:\n%s", name, said)
		if found := among(m, "/merges/"); len(found) == 0 || len(found) > 12 != (name != "one unit") {
			t.Errorf("%s: %d units of three hours and four flows", name, len(found))
		}
		files := 0
		for _, key := range among(m, "day=") {
			if !strings.Contains(key, "beside") && !strings.HasSuffix(key, "_SEALED") {
				files++
			}
		}
		for _, want := range []string{
			fmt.Sprintf("into %d files with 7,200 rows, of %d of which the rows are those of the packs", files, files),
			"9,000 rows", "3 closed, 3 sealed", "0 stray files",
		} {
			if !strings.Contains(said, want) {
				t.Errorf("%s: it does not say %q, but\n%s", name, want, said)
			}
		}
	}
}

// among are the keys that contain something.
func among(m memory, part string) (list []string) {
	for key := range m {
		if strings.Contains(key, part) {
			list = append(list, key)
		}
	}
	slices.Sort(list)
	return list
}

// first is the first key that contains all parts.
func first(t *testing.T, m memory, parts ...string) string {
	t.Helper()
	for _, key := range among(m, parts[0]) {
		if !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(key, p) }) {
			return key
		}
	}
	t.Fatalf("no key has %q", parts)
	return ""
}

// Each part of a merged hour that is changed afterwards is missed.
func TestEachPartOfAMergedHourCounts(t *testing.T) {
	m := mergedOutput(t, smallUnits())
	const merges, packs = root + "merges/", root + "packs/"
	const jsonFile, plainFile = prefix + "json/day=2025-05-01/hour=01/page=", prefix + "plain/day=2025-05-01/hour=01/page="
	for name, c := range map[string]struct {
		change func(t *testing.T, m memory)
		want   string
	}{
		"pack changed":      {func(t *testing.T, m memory) { flip(first(t, m, packs), 40)(m) }, "its CRC-32C is"},
		"contents changed":  {func(t *testing.T, m memory) { flip(first(t, m, packs), -5)(m) }, "its CRC-32C is"},
		"pack cut":          {func(t *testing.T, m memory) { k := first(t, m, packs); m[k] = m[k][:9] }, "it has 9 bytes"},
		"pack longer":       {func(t *testing.T, m memory) { k := first(t, m, packs); m[k] = append(bytes.Clone(m[k]), 1) }, "it has more than"},
		"pack stray":        {func(t *testing.T, m memory) { m[packs+"2025-05-01T0000/o9-1-1.pack"] = nil }, "o9-1-1.pack: no entry names it"},
		"record stray":      {func(t *testing.T, m memory) { m[first(t, m, merges)+"6"] = nil }, "it is of no unit of a closed hour"},
		"merged file stray": {func(t *testing.T, m memory) { m[first(t, m, jsonFile)+"x"] = nil }, "no entry names it"},
		"record missing":    {func(t *testing.T, m memory) { delete(m, first(t, m, merges)) }, "it is missing, and its hour is sealed"},
		"record changed":    {func(t *testing.T, m memory) { flip(first(t, m, merges), 50)(m) }, "its checksum does not match"},
		"record of another": {func(t *testing.T, m memory) {
			list := among(m, merges)
			m[list[0]] = m[list[1]]
		}, "slots from"},
		"record's format": {func(t *testing.T, m memory) { editRecord(t, m, func(r *record) { r.header = header{1, 1} }) }, "format 1, min_reader 1"},
		"record's token":  {func(t *testing.T, m memory) { editRecord(t, m, func(r *record) { r.Token = "x" }) }, `token "x"`},
		"record's rows":   {func(t *testing.T, m memory) { editRecord(t, m, func(r *record) { r.Rows++ }) }, "and its files have"},
		"record's order":  {func(t *testing.T, m memory) { editRecord(t, m, func(r *record) { slices.Reverse(r.Files) }) }, "its files are not in order"},
		"record's file":   {func(t *testing.T, m memory) { editRecord(t, m, func(r *record) { r.Files[0].Length = 0 }) }, "rows in 0 bytes"},
		"record's number": {func(t *testing.T, m memory) { editRecord(t, m, func(r *record) { r.Files[1].Key = r.Files[0].Key }) }, "has the number of another file"},
		"record's owner": {func(t *testing.T, m memory) {
			editRecord(t, m, func(r *record) { r.Files[0].Key = strings.Replace(r.Files[0].Key, "/m", "/n", 1) })
		}, "has not the owner"},
		"record's slot": {func(t *testing.T, m memory) {
			editRecord(t, m, func(r *record) { r.Files[0].Key = strings.Replace(r.Files[0].Key, "/page=", "/page=x", 1) })
		}, "has the rows of slot"},
		"record's folder": {func(t *testing.T, m memory) {
			editRecord(t, m, func(r *record) { r.Files[0].Key = strings.Replace(r.Files[0].Key, "/hour=", "/hour=1", 1) })
		}, "is not in the folder of flow"},
		"merged file missing": {func(t *testing.T, m memory) { delete(m, first(t, m, jsonFile)) }, "it is missing, though its hour is sealed"},
		"merged file changed": {func(t *testing.T, m memory) { flip(first(t, m, jsonFile), 30)(m) }, "the merge record says"},
		"a row lost": {func(t *testing.T, m memory) {
			remake(t, m, first(t, m, plainFile), func(rows []string) []string { return rows[:len(rows)-1] })
		}, "ends within a piece of a pack, or without rows of it"},
		"a row too many": {func(t *testing.T, m memory) {
			remake(t, m, first(t, m, plainFile), func(rows []string) []string { return append(rows, rows[1]) })
		}, "rows"},
		"rows in another order": {func(t *testing.T, m memory) {
			remake(t, m, first(t, m, plainFile), func(rows []string) []string { slices.Reverse(rows[1:]); return rows })
		}, "its rows are not those of the packs"},
		"no header": {func(t *testing.T, m memory) {
			remake(t, m, first(t, m, plainFile), func(rows []string) []string { rows[0] = rows[1]; return rows })
		}, "it does not begin with the header"},
		"hour manifest": {swap(first(t, m, "hours/"), `"flow": "plain"`, `"flow": "plaim"`).on, `it says "flow": "plaim"`},
		"manifest":      {swap(first(t, m, "manifests/"), `"packs": [`, `"packt": [`).on, "manifests/"},
		"manifest's contents": {func(_ *testing.T, m memory) {
			key := first(t, m, "manifests/")
			m[key] = bytes.Replace(m[key], []byte(`"contents": {`), []byte(`"contents": {"more": 1,`), 1)
		}, "manifests/"},
		"rows lost, and the packs are gone": {func(t *testing.T, m memory) {
			remake(t, m, first(t, m, plainFile), func(rows []string) []string { return rows[:len(rows)-1] })
			dropAll(m, packs)
		}, "it and the other records of its hour and flow have"},
	} {
		t.Run(name, func(t *testing.T) {
			m := maps.Clone(m)
			c.change(t, m)
			wantViolation(t, m, c.want)
		})
	}
}

// on is a change of objects for tables that hand on the test.
func (f memoryChange) on(_ *testing.T, m memory) { f(m) }

func dropAll(m memory, part string) {
	for _, key := range among(m, part) {
		delete(m, key)
	}
}

// editRecord changes a record that has two files or more.
func editRecord(t *testing.T, m memory, change func(*record)) {
	t.Helper()
	for _, key := range among(m, "/merges/") {
		r := new(record)
		if _, err := decode(m[key], r); err != nil {
			t.Fatal(err)
		}
		if len(r.Files) > 1 && r.Flow == "json" {
			change(r)
			m[key] = envelope(r)
			return
		}
	}
	t.Fatal("no record has two files")
}

// remake changes the lines of a merged file, and what all objects say of it.
func remake(t *testing.T, m memory, key string, change func([]string) []string) {
	t.Helper()
	was := strings.SplitAfter(string(m[key]), "\n")
	was = was[:len(was)-1]
	n := len(was)
	is := change(was)
	more := int64(len(is) - n)
	body := []byte(strings.Join(is, ""))
	longer := int64(len(body) - len(m[key]))
	crc := crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli))
	m[key] = body
	for _, name := range among(m, "/merges/") {
		r := new(record)
		if _, err := decode(m[name], r); err != nil {
			t.Fatal(err)
		}
		for i := range r.Files {
			if f := &r.Files[i]; f.Key == key {
				f.Length, f.Rows, f.CRC32C = f.Length+longer, f.Rows+more, crc
				r.Rows += more
				m[name] = envelope(r)
			}
		}
	}
	for _, name := range among(m, "/hours/") {
		h := new(hourManifest)
		if err := json.Unmarshal(m[name], h); err != nil {
			t.Fatal(err)
		}
		for i := range h.Files {
			if f := &h.Files[i]; f.Key == key {
				f.Length, f.Rows, f.CRC32C = f.Length+longer, f.Rows+more, fmt.Sprintf("%08x", crc)
				sum := h.Flows[f.Flow]
				h.Flows[f.Flow] = flowSum{sum.Files, sum.Rows + more, sum.Bytes + longer}
				m[name] = plain(h)
			}
		}
	}
}

// Packs may go once the ledger says when their hours were sealed. Then there are only counts to compare.
func TestPacksOfSealedHoursMayBeGone(t *testing.T) {
	m := mergedOutput(t, smallUnits())
	gone := maps.Clone(m)
	dropAll(gone, "/packs/2025-05-01T0200/")
	n := len(m) - len(gone)
	if said, violations, err := checked(t, gone); violations > 0 || err != nil || !strings.Contains(said, fmt.Sprintf("%d are gone since", n)) {
		t.Errorf("%d packs are gone: got %v and\n%s", n, err, said)
	}
	wantViolation(t, unsealed(t, gone), "it is missing, though the entry is marked as published")
}

// unsealed is a ledger up to the Close that closes hour 2.
func unsealed(t *testing.T, m memory) memory {
	t.Helper()
	over := false
	return rewrite(t, m, func(e *entry) bool {
		was := over
		over = over || e.Close != nil && e.Close.Through.Equal(at(3, 0))
		return !was
	})
}

// While an hour is merged some of it is there; never its manifest and its seals.
func TestAnHourThatIsBeingMergedIsNoViolation(t *testing.T) {
	m := unsealed(t, mergedOutput(t, smallUnits()))
	hour := root + "hours/2025-05-01T02.json"
	manifest := m[hour]
	delete(m, hour)
	dropAll(m, "hour=02/_SEALED")
	delete(m, first(t, m, "x/json/day=2025-05-01/hour=02/page="))
	if said, violations, err := checked(t, m); violations > 0 || err != nil || !strings.Contains(said, "1 files are merged and not published yet") {
		t.Errorf("a file is not published: got %v and\n%s", err, said)
	}
	name := first(t, m, "/merges/", "T0200-one")
	r := new(record)
	if _, err := decode(m[name], r); err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Files {
		delete(m, f.Key)
	}
	delete(m, name)
	if said, violations, err := checked(t, m); violations > 0 || err != nil || !strings.Contains(said, "3 closed, 2 sealed") {
		t.Errorf("a unit is not merged: got %v and\n%s", err, said)
	}
	m[prefix+"one/day=2025-05-01/hour=02/_SEALED"] = nil
	wantViolation(t, m, "it is there, and its hour is not merged")
	m[hour] = manifest
	wantViolation(t, m, "it is missing, and its hour is sealed or has its manifest")
}

// rewrite makes a ledger again, up to the first entry that keep refuses, after it has changed it.
func rewrite(t *testing.T, from memory, keep func(*entry) bool) memory {
	t.Helper()
	m := maps.Clone(from)
	prev, over := hashOf(m[root+"genesis.json"]), false
	dropAll(m, "/snapshots/")
	for _, key := range among(m, "/s0000/") {
		if strings.Contains(key, "/manifests/") {
			continue
		}
		e := new(entry)
		if _, err := decode(m[key], e); err != nil {
			t.Fatal(err)
		}
		if over = over || !keep(e); over {
			delete(m, key)
			continue
		}
		e.Prev = prev
		m[key] = envelope(e)
		prev = hashOf(m[key])
	}
	return m
}

// Entries that have to do with packs follow rules of their own.
func TestEntriesSayHowPacksAreMerged(t *testing.T) {
	m := mergedOutput(t, smallUnits())
	aClose := func(change func(c *closeEntry)) func(*entry) {
		return func(e *entry) {
			if e.Close != nil {
				change(e.Close)
			}
		}
	}
	aPack := func(change func(f *file)) func(*entry) {
		return func(e *entry) {
			if e.Commit != nil {
				i := slices.IndexFunc(e.Commit.Files, func(f file) bool { return f.Kind == kindPack })
				change(&e.Commit.Files[i])
			}
		}
	}
	for name, c := range map[string]struct {
		change func(*entry)
		want   string
	}{
		"close's format":    {aClose(func(c *closeEntry) { c.Merge = nil }), "and it says how to merge them: false"},
		"close's units":     {aClose(func(c *closeEntry) { c.Merge.UnitBytes = 1 << 30 }), "it is of no unit of a closed hour"},
		"close's unit of 0": {aClose(func(c *closeEntry) { c.Merge.UnitBytes = 0 }), "units of 0 bytes"},
		"close's files":     {aClose(func(c *closeEntry) { c.Merge.FileBytes = 1 << 24 }), "files are cut at 16777216"},
		"close too long":    {aClose(func(c *closeEntry) { c.Through = c.From.Add(49 * time.Hour) }), "48 at most may be"},
		"no time of seals":  {func(e *entry) { e.SealedAt = time.Time{} }, "and it says when they were sealed: false"},
		"time of no seals":  {func(e *entry) { e.SealedAt = at(9, 0) }, "it says when hours were sealed, and none"},
		"format": {func(e *entry) {
			if e.Close != nil {
				e.header = header{1, 1}
			}
		}, "format 1, min_reader 1: only what has to do with packs"},
		"format 2": {func(e *entry) { e.header = header{2, 2} }, "format 2, min_reader 2: only what has to do with packs"},
		"format 2, reader 1": {func(e *entry) {
			if e.Close != nil {
				e.header = header{2, 1}
			}
		}, "format 2, min_reader 1: only what has to do with packs"},
		"pack without contents": {aPack(func(f *file) { f.Contents = nil }), "with or without contents"},
		"pack's contents":       {aPack(func(f *file) { f.Contents.CRC32C++ }), "the CRC-32C of its contents is"},
		"contents' place":       {aPack(func(f *file) { f.Contents.Offset-- }), "its contents are not at its end"},
		"contents' length":      {aPack(func(f *file) { f.Contents.Offset++; f.Contents.Length-- }), "the CRC-32C of its contents is"},
		"pack's rows":           {aPack(func(f *file) { f.Rows++ }), "the entry says"},
		"pack's hour":           {aPack(func(f *file) { f.Hour = f.Hour.Add(time.Hour) }), "is not where one of the hour"},
		"pack's kind":           {aPack(func(f *file) { f.Kind = "" }), "is not in the folder of flow"},
		"hours": {func(e *entry) {
			if e.Commit != nil {
				e.Commit.Hours[0].Packs--
			}
		}, "its hours are not the sums of its files"},
	} {
		t.Run(name, func(t *testing.T) {
			wantViolation(t, rewrite(t, m, func(e *entry) bool { c.change(e); return true }), c.want)
		})
	}
}

func TestUnitsFollowFromTheLengthOfPacks(t *testing.T) {
	c := &closing{id: 7, close: &closeEntry{Merge: &merge{UnitBytes: 100}}}
	for length, want := range map[int64]int{1: 1, 100: 1, 101: 2, 200: 2, 201: 4, 25_600: 256, 1 << 40: 256} {
		list := unitsOf(&place{}, c, at(6, 0), "rows", length)
		last := list[len(list)-1]
		if len(list) != want || list[0].first != 0 || last.slots != 256/want || last.first+last.slots != 256 {
			t.Errorf("%d bytes have %d units, the last from %d, want %d", length, len(list), last.first, want)
		}
		if name := "merges/00000000000000000007/2025-05-01T0600-rows-80-128"; want == 2 && last.name() != name {
			t.Errorf("a record is named %s, want %s", last.name(), name)
		}
	}
}

// A snapshot has no more than 512 times. Those that are left say a later one for the hours of the others.
func TestTimesOfSealsAreThinned(t *testing.T) {
	h := newHours(&place{r: &report{out: io.Discard}})
	h.closed = at(0, 0).Add(1000 * time.Hour)
	for n := range 513 {
		start := at(n, 0)
		h.packed[start] = true
		h.seal("", &entry{Sealed: start.Add(time.Hour), SealedAt: at(2000-n%2, n)})
	}
	for i, s := range h.seals {
		if want := at(2*i+2, 0); i < 256 && !s.Through.Equal(want) || i > 0 && s.At.Before(h.seals[i-1].At) {
			t.Errorf("time %d is through %s at %s, want %s, and no time goes back", i, s.Through, s.At, want)
		}
	}
	if n := len(h.seals); n != 257 || !h.seals[256].Through.Equal(at(513, 0)) || h.place.r.violations > 0 {
		t.Errorf("%d times and %d violations, want 257 and none", n, h.place.r.violations)
	}
}
