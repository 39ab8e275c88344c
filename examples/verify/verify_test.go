package main

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// checked returns what the checker says of w, and how many violations it found.
func checked(t *testing.T, m memory) (said string, violations int, err error) {
	t.Helper()
	var out bytes.Buffer
	r := &report{out: &out, most: 1000}
	err = verify(t.Context(), m, "", r)
	return out.String(), r.violations, err
}

func TestAGoodFolderHasNoViolations(t *testing.T) {
	w := good(t)
	w.write(t)
	said, violations, err := checked(t, w.m)
	if violations > 0 || err != nil {
		t.Fatalf("got %v and\n%s", err, said)
	}
	for _, want := range []string{
		"9 entries, 5 commits, 1 closes, 1 snapshots", "7 with 16 rows", "manifests  3\n", "1 closed, 1 sealed: 2025-05-01T06:00Z to 2025-05-01T07:00Z",
		"21 read = 14 written + 1 merged + 2 filtered + 1 duplicate + 1 late + 1 dead + 1 held, in 5 partitions", "0 stray files",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q, but\n%s", want, said)
		}
	}
}

// part returns a partition of a commit.
func (w *world) part(entry, lane, n int) *partitionRow {
	return &w.entries[entry-1].Commit.Lanes[lane].Partitions[n]
}

func (w *world) files(entry int) []file { return w.entries[entry-1].Commit.Files }

// Each violation that can be made is found, and said where it is.
func TestViolationsAreFound(t *testing.T) {
	for name, c := range before {
		t.Run(name, func(t *testing.T) {
			w := good(t)
			c.change(w)
			w.write(t)
			wantViolation(t, w.m, c.want)
		})
	}
	for name, c := range after {
		t.Run(name, func(t *testing.T) {
			w := good(t)
			w.write(t)
			c.change(w.m)
			wantViolation(t, w.m, c.want)
		})
	}
}

func wantViolation(t *testing.T, m memory, want string) {
	t.Helper()
	said, violations, err := checked(t, m)
	if violations == 0 || err != nil || !strings.Contains(said, want) {
		t.Errorf("got %v and\n%swant a violation: %s", err, said, want)
	}
}

type change[T any] struct {
	change func(T)
	want   string
}

// before are changes of the contents, with right hashes and checksums: faults of a writer.
var before = map[string]change[*world]{
	"chain":         {func(w *world) { w.entries[3].Prev = strings.Repeat("0", 64) }, "entry 4: the entry before it has another hash"},
	"id":            {func(w *world) { w.entries[3].ID = 7 }, "entry 4: it says that it is entry 7"},
	"missing entry": {func(w *world) { w.encoded = only(func(n int, b []byte) []byte { return nilAt(n, 4, b) }) }, "entry 4: it is missing"},
	"same token":    {func(w *world) { w.entries[4].Token = token(2) }, "entry 5: entry 2 has the same token"},
	"kind":          {func(w *world) { w.entries[4].Kind = "nop" }, `entry 5: kind "nop"`},
	"kind and part": {func(w *world) { w.entries[4].Config = &config{} }, `entry 5: kind "mark" with or without the part "config"`},
	"generation":    {func(w *world) { w.entries[4].Kind, w.entries[4].Config = "config", &config{Generation: 1} }, "generation 1 follows 1"},
	"marked twice":  {func(w *world) { w.entries[8].Published = []uint64{2, 3} }, "entry 9: it marks entry 2"},
	"marked early":  {func(w *world) { w.entries[4].Published = []uint64{4, 7} }, "entry 5: it marks entry 7"},
	"sealed early":  {func(w *world) { w.entries[6].Sealed = at(8, 0) }, "sealed through"},

	"base":            {func(w *world) { w.entries[3].Commit.Lanes[0].Base = 0 }, "lane a: its base is entry 0, the lane was at 2"},
	"base of a close": {func(w *world) { w.entries[8].Commit.Lanes[0].Base = 0 }, "lane c: its base is entry 0, the lane was at 6"},
	"retire base":     {func(w *world) { w.entries[7].Retire.Base = 4 }, "lane a: its base is entry 4, the lane was at 7"},
	"retired": {func(w *world) {
		p := row("3", 1, at(8, 0), at(7, 30))
		w.entries[8].Commit.Lanes[0].Partitions = append([]partitionRow{p}, w.entries[8].Commit.Lanes[0].Partitions...)
	}, `partition "s"/"3": it was retired`},
	"partition moves": {func(w *world) { w.part(9, 0, 0).ID = "1" }, "it moves from lane b to c"},

	"position goes back": {func(w *world) { w.part(7, 0, 0).UpTo = "11" }, "its position goes back from 12 to 11"},
	"too many read":      {func(w *world) { w.part(4, 0, 0).Read, w.part(4, 0, 0).Counts.Merged = 3, 2 }, "3 records read from 10 to 12"},
	"read in place":      {func(w *world) { w.part(7, 0, 0).UpTo = "12" }, "1 records read, and its position stays 12"},
	"seen goes back":     {func(w *world) { w.part(7, 0, 0).Seen = at(7, 19) }, "seen goes back"},
	"low goes back":      {func(w *world) { w.part(7, 0, 0).Low = at(7, 4) }, "low goes back"},
	"low ahead of seen":  {func(w *world) { w.part(7, 0, 0).Low = at(7, 21) }, "is ahead of seen"},
	"low ahead of held":  {func(w *world) { w.part(2, 0, 0).Low = at(6, 11) }, "is ahead of the oldest held event"},
	"fates":              {func(w *world) { w.part(4, 0, 0).Counts.Merged = 0 }, "the fates do not add up: held before 3 + read 2, finished 4 + held 0"},
	"negative count":     {func(w *world) { w.part(4, 0, 0).Counts = counts{Written: 6, Merged: -1} }, "counts"},
	"held again": {func(w *world) {
		p := w.part(4, 0, 0)
		p.HeldLen, p.HeldTime, p.Held, p.Counts.Merged = 1, at(7, 10), &held{First: "5", Through: 8, Count: 1}, 0
	}, "position 5 is held, and was finished before"},
	"held above":      {func(w *world) { w.part(2, 0, 0).Held.First = "11" }, "11 is held, and above 10"},
	"held through":    {func(w *world) { w.part(2, 0, 0).Held.Through = 9 }, "held through ordinal 9"},
	"held count":      {func(w *world) { w.part(2, 0, 0).Held.Count = 2 }, "held set has 3 ordinals"},
	"held length":     {func(w *world) { w.part(2, 0, 0).Held = &held{First: "3", Through: 8, Count: 1} }, "held_len is 3, its set has 1"},
	"held without":    {func(w *world) { w.part(2, 0, 0).Held = nil }, "no set says which"},
	"ended goes on":   {func(w *world) { w.part(7, 0, 0).partition.ID, w.part(7, 0, 0).UpTo = "2", "2" }, "it had ended at 1"},
	"malformed place": {func(w *world) { w.part(7, 0, 0).UpTo = "013" }, `position "013"`},

	"file twice": {func(w *world) {
		f := w.files(2)[1]
		w.entries[8].Commit.Files = append([]file{f}, w.files(9)...)
	}, "entry 2 names the file"},
	"file order":    {func(w *world) { slices.Reverse(w.files(2)) }, "its files are not in order"},
	"file folder":   {func(w *world) { w.files(4)[0].Flow = "table" }, "is not in the folder of flow"},
	"file hour":     {func(w *world) { w.files(4)[0].Hour = at(6, 30) }, "is not the start of an hour"},
	"file kind":     {func(w *world) { w.files(4)[0].Kind = "odd" }, `kind "odd"`},
	"hours":         {func(w *world) { w.entries[1].Commit.Hours = []hourSum{{at(6, 0), 2, 5, 1}} }, "its hours are not the sums of its files"},
	"dead rows":     {func(w *world) { w.part(2, 0, 0).Counts = counts{Written: 4, Filtered: 3} }, "0 records are dead, its dead-letter files have 1 rows"},
	"written rows":  {func(w *world) { w.part(4, 0, 0).Counts = counts{Written: 5} }, "5 records were written, its files have 4 rows"},
	"late rows":     {func(w *world) { w.part(7, 0, 0).Counts = counts{Filtered: 1} }, "no record is late, its late files have 1 rows"},
	"no owner":      {func(w *world) { delete(w.owners, "o2") }, "owners/o2: it is missing"},
	"another owner": {func(w *world) { w.owners["o2"].Lanes[0].Token = token(7) }, "held none of its lanes"},

	"closed hour": {func(w *world) {
		w.files(9)[0] = w.file("rows", "", at(6, 0), "o3-1-0.jsonl", "1\n", "2\n")
		delete(w.m, prefix+"rows/day=2025-05-01/hour=08/o3-1-0.jsonl")
	}, "which entry 6 closed"},
	"close order": {func(w *world) {
		w.entries = append(w.entries, &entry{header: header{1, 1}, Kind: "close", ID: 10, Token: token(10), Close: &closeEntry{From: at(8, 0),
			Through: at(9, 0), At: at(11, 0), Flows: []string{"rows"}, Seal: "_SEALED", Generation: 1}})
	}, "hours close in order"},
	"close low":         {func(w *world) { w.entries[5].Close.Through = at(8, 0) }, `partition "s"/"0" has got to`},
	"close clock":       {func(w *world) { w.entries[5].Close.At = at(7, 14) }, "less than 15m0s after"},
	"close generation":  {func(w *world) { w.entries[5].Close.Generation = 0 }, "generation 0, the last is 1"},
	"close unpublished": {func(w *world) { w.entries[4].Published, w.entries[8].Published = nil, []uint64{3, 4} }, "files of entry 4 are not published"},
	"close from": {func(w *world) {
		w.entries[5].Close.From, w.entries[5].Close.Through = at(7, 0), at(7, 0)
	}, "it closes from"},
	"genesis hour": {func(w *world) { w.genesis.HourNS = int64(7 * time.Hour) }, "hours of 7h0m0s"},
	"genesis job":  {func(w *world) { w.genesis.Job = "other" }, `it is of job "other"`},
}

func only(f func(int, []byte) []byte) func(int, []byte) []byte { return f }

func nilAt(n, k int, b []byte) []byte {
	if n == k {
		return nil
	}
	return b
}

const (
	rowsFile = prefix + "rows/day=2025-05-01/hour=06/o1-1-0.jsonl.gz"
	csvFile  = prefix + "table/day=2025-05-01/hour=06/o1-1-1.csv"
	sealKey  = prefix + "rows/day=2025-05-01/hour=06/_SEALED"
)

func object20(kind string, n int, ext string) string {
	return fmt.Sprintf("%s%ss0000/%020d%s", root, kind, n, ext)
}

func flip(key string, i int) func(memory) {
	return func(m memory) {
		b := bytes.Clone(m[key])
		b[(i+len(b))%len(b)] ^= 1
		m[key] = b
	}
}

func swap(key, old, with string) func(memory) {
	return func(m memory) { m[key] = bytes.Replace(m[key], []byte(old), []byte(with), 1) }
}

// after are changes of the objects: faults of a store, or of whoever changed them.
var after = map[string]change[memory]{
	"file missing":     {func(m memory) { delete(m, rowsFile) }, "it is missing, though the entry is marked as published"},
	"file cut":         {func(m memory) { m[csvFile] = m[csvFile][:5] }, "it has 5 bytes"},
	"file longer":      {func(m memory) { m[csvFile] = append(bytes.Clone(m[csvFile]), 'x') }, "it has more than"},
	"file changed":     {flip(rowsFile, -6), "its CRC-32C is"},
	"row changed":      {flip(csvFile, 0), "its CRC-32C is"},
	"pending changed":  {flip(prefix+"rows/day=2025-05-01/hour=08/o3-1-0.jsonl", 0), "its CRC-32C is"},
	"stray file":       {func(m memory) { m[prefix+"rows/day=2025-05-01/hour=06/o9-1-0.jsonl"] = []byte("1\n") }, "no entry names it"},
	"stray flow":       {func(m memory) { m["y/day=2025-05-01/f"] = nil }, "no entry names it"},
	"early seal":       {func(m memory) { m[prefix+"rows/day=2025-05-01/hour=07/_SEALED"] = nil }, "it is no seal of a closed hour"},
	"early hour":       {func(m memory) { m[root+"hours/2025-05-01T07.json"] = nil }, "an hour that is not closed"},
	"seal missing":     {func(m memory) { delete(m, sealKey) }, "_SEALED: it is missing"},
	"seal has content": {func(m memory) { m[sealKey] = []byte("x") }, "should be empty"},
	"hour missing":     {func(m memory) { delete(m, root+"hours/2025-05-01T06.json") }, "it is missing"},
	"hour changed":     {swap(root+"hours/2025-05-01T06.json", `"rows": 6`, `"rows": 7`), `it says "rows": 7, the ledger says "rows": 6`},
	"hour counts":      {swap(root+"hours/2025-05-01T06.json", `"duplicate": 1`, `"duplicate": 2`), `it says "duplicate": 2`},
	"hour partitions":  {swap(root+"hours/2025-05-01T06.json", `"up_to": "12"`, `"up_to": "13"`), `it says "up_to": "13"`},
	"manifest missing": {func(m memory) { delete(m, object20("manifests/", 2, ".json")) }, "it is missing"},
	"manifest changed": {swap(object20("manifests/", 2, ".json"), `"rows": 2`, `"rows": 3`), `it says "rows": 3`},
	"manifest of none": {func(m memory) { m[object20("manifests/", 5, ".json")] = nil }, "entry 5 has no files"},
	"manifest broken":  {func(m memory) { m[object20("manifests/", 2, ".json")] = []byte("{") }, "unexpected end"},
	"odd name":         {func(m memory) { m[root+"s0000/12"] = nil }, "its name is not a number"},
	"blob missing":     {func(m memory) { delete(m, root+"blobs/"+token(3)+"-0") }, "entry 3: blob"},
	"blob another": {func(m memory) {
		m[root+"blobs/"+token(3)+"-0"] = envelope(&blob{header: header{1, 1}, Held: &held{First: "5", Through: 1, Count: 1}})
	}, "is not the one that the entry names"},
	"snapshot changed": {func(m memory) {
		key := object20("snapshots/", 9, "")
		line, _, _ := bytes.Cut(m[key], []byte("\n"))
		line = append(bytes.Replace(line, []byte(`"rows":14`), []byte(`"rows":15`), 1), '\n')
		m[key] = fmt.Appendf(line, "sha256:%s\n", hashOf(line))
	}, `it says "rows": 15`},
	"snapshot flipped": {flip(object20("snapshots/", 9, ""), 30), "its checksum does not match"},
	"snapshot ahead":   {func(m memory) { m[object20("snapshots/", 64, "")] = nil }, "an entry that does not exist"},
	"genesis flipped":  {flip(root+"genesis.json", 40), "genesis.json: its checksum does not match"},
	"owner flipped":    {flip(root+"owners/o1", 40), "owners/o1: its checksum does not match"},
	"unknown field": {func(m memory) {
		m[object20("", 9, "")] = envelope(map[string]any{"format": 1, "min_reader": 1, "more": 1})
	}, "unknown field"},
}

// Any flipped byte of an entry is found.
func TestEveryByteOfAnEntryCounts(t *testing.T) {
	w := good(t)
	w.write(t)
	key := object20("", 4, "")
	for i := range w.m[key] {
		m := maps.Clone(w.m)
		flip(key, i)(m)
		if said, violations, err := checked(t, m); violations == 0 || err != nil {
			t.Fatalf("byte %d: got %v and\n%s", i, err, said)
		}
	}
}

// What needs a newer checker is no violation and no pass: it cannot be checked.
func TestNewerFormatsAreNotJudged(t *testing.T) {
	for name, change := range map[string]func(*world){
		"min_reader": func(w *world) { w.entries[4].header = header{2, 2} },
		"layout":     func(w *world) { w.genesis.Layout = "hive2" },
		"genesis":    func(w *world) { w.genesis.header = header{3, 2} },
		"epoch":      func(w *world) { w.m[prefix+"_onceflow/job/e0002/genesis.json"] = nil },
	} {
		w := good(t)
		change(w)
		w.write(t)
		if said, _, err := checked(t, w.m); err == nil || !strings.Contains(err.Error(), "newer reader") {
			t.Errorf("%s: got %v and\n%s", name, err, said)
		}
	}
}

// A job that runs, or was killed, has entries whose files are not all published.
func TestUnfinishedWorkIsNoViolation(t *testing.T) {
	w := good(t)
	w.write(t)
	delete(w.m, prefix+"rows/day=2025-05-01/hour=08/o3-1-0.jsonl")
	if said, violations, err := checked(t, w.m); violations > 0 || err != nil || !strings.Contains(said, "not published yet") {
		t.Errorf("got %v and\n%s", err, said)
	}
}
