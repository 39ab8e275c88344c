package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

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

	"position goes back":                {func(w *world) { w.part(7, 0, 0).UpTo = "11" }, "its position goes back from 12 to 11"},
	"too many read":                     {func(w *world) { w.part(4, 0, 0).Read, w.part(4, 0, 0).Counts.Merged = 3, 2 }, "3 records read from 10 to 12"},
	"read in place":                     {func(w *world) { w.part(7, 0, 0).UpTo = "12" }, "1 records read, and its position stays 12"},
	"max event time goes back":          {func(w *world) { w.part(7, 0, 0).MaxEventTime = at(7, 19) }, "max event time goes back"},
	"jump by nobody":                    {func(w *world) { w.part(7, 0, 0).Jump = &jump{To: at(9, 0), Newest: at(9, 1)} }, "a jump to"},
	"jump to its past":                  {func(w *world) { w.part(7, 0, 0).Jump = &jump{at(9, 0), at(8, 0), 2} }, "a jump to"},
	"watermark goes back":               {func(w *world) { w.part(7, 0, 0).Watermark = at(7, 4) }, "watermark goes back"},
	"watermark ahead of max event time": {func(w *world) { w.part(7, 0, 0).Watermark = at(7, 21) }, "is ahead of max event time"},
	"watermark ahead of pending":        {func(w *world) { w.part(2, 0, 0).Watermark = at(6, 11) }, "is ahead of the oldest pending event"},
	"fates":                             {func(w *world) { w.part(4, 0, 0).Counts.Merged = 0 }, "the fates do not add up: pending before 3 + read 2, finished 4 + pending 0"},
	"negative count":                    {func(w *world) { w.part(4, 0, 0).Counts = counts{Written: 6, Merged: -1} }, "counts"},
	"pending again": {func(w *world) {
		p := w.part(4, 0, 0)
		p.PendingLen, p.PendingTime, p.Pending, p.Counts.Merged = 1, at(7, 10), &pending{First: "5", Through: 8, Count: 1}, 0
	}, "position 5 is pending, and was finished before"},
	"pending above":   {func(w *world) { w.part(2, 0, 0).Pending.First = "11" }, "11 is pending, and above 10"},
	"pending through": {func(w *world) { w.part(2, 0, 0).Pending.Through = 9 }, "pending through ordinal 9"},
	"pending count":   {func(w *world) { w.part(2, 0, 0).Pending.Count = 2 }, "pending_len is 3, its set has 2"},
	"pending length":  {func(w *world) { w.part(2, 0, 0).Pending = &pending{First: "3", Through: 8, Count: 1} }, "pending_len is 3, its set has 1"},
	"pending without": {func(w *world) { w.part(2, 0, 0).Pending = nil }, "no set says which"},
	"ended goes on":   {func(w *world) { w.part(7, 0, 0).partition.ID, w.part(7, 0, 0).UpTo = "2", "2" }, "it had ended at 1"},
	"malformed place": {func(w *world) { w.part(7, 0, 0).UpTo = "013" }, `position "013"`},

	"file twice": {func(w *world) {
		f := w.files(2)[1]
		w.entries[8].Commit.Files = append([]file{f}, w.files(9)...)
	}, "entry 2 names the file"},
	"file order":    {func(w *world) { slices.Reverse(w.files(2)) }, "its files are not in order"},
	"file folder":   {func(w *world) { w.files(4)[0].Flow = "table" }, "is not in the folder of flow"},
	"file's job":    {func(w *world) { w.flowsOf = "else" }, "it says that job else writes flow rows, and job job has written it"},
	"file hour":     {func(w *world) { w.files(4)[0].Hour = at(6, 30) }, "is not the start of an hour"},
	"file kind":     {func(w *world) { w.files(4)[0].Kind = "odd" }, `kind "odd"`},
	"hours":         {func(w *world) { w.entries[1].Commit.Hours = []hourSum{{at(6, 0), 2, 5, 1, 0}} }, "its hours are not the sums of its files"},
	"dead rows":     {func(w *world) { w.part(2, 0, 0).Counts = counts{Written: 3, Filtered: 2, Dead: 2} }, "2 records are dead, its dead-letter files have 1 rows"},
	"written rows":  {func(w *world) { w.part(4, 0, 0).Counts = counts{Written: 5} }, "5 records were written, its files have 4 rows"},
	"late rows":     {func(w *world) { w.part(7, 0, 0).Counts = counts{Filtered: 1} }, "no record is late, its late files have 1 rows"},
	"file name":     {func(w *world) { w.rename("o1-2-0.jsonl", "o1-2-0-1.jsonl") }, "is not named <owner>-<t>-<n>"},
	"file unowned":  {func(w *world) { w.rename("o1-2-0.jsonl", "f.jsonl") }, "is not named <owner>-<t>-<n>"},
	"folder value":  {func(w *world) { w.rename("o1-2-0.jsonl", "k=a%2fb/o1-2-0.jsonl") }, `the folder "k=a%2fb" is not how a value is escaped`},
	"folder mark":   {func(w *world) { w.rename("o1-2-0.jsonl", "k=a\u202eb/o1-2-0.jsonl") }, "the folder \"k=a\\u202eb\" is not how a value is escaped"},
	"folder dot":    {func(w *world) { w.rename("o1-2-0.jsonl", "k=../o1-2-0.jsonl") }, `the folder "k=.." is not how a value is escaped`},
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
	"close watermark":   {func(w *world) { w.entries[5].Close.Through = at(8, 0) }, `partition "s"/"0" has got to`},
	"close clock":       {func(w *world) { w.entries[5].Close.At = at(7, 14) }, "less than 15m0s after"},
	"close generation":  {func(w *world) { w.entries[5].Close.Generation = 0 }, "generation 0, the last is 1"},
	"close unpublished": {func(w *world) { w.entries[4].Published, w.entries[8].Published = nil, []uint64{3, 4} }, "files of entry 4 are not published"},
	"close from": {func(w *world) {
		w.entries[5].Close.From, w.entries[5].Close.Through = at(7, 0), at(7, 0)
	}, "it closes from"},
	"genesis hour": {func(w *world) { w.genesis.HourNS = int64(7 * time.Hour) }, "hours of 7h0m0s"},
	"genesis job":  {func(w *world) { w.genesis.Job = "other" }, `it is of job "other"`},
}

// rename gives the file of entry 4 another name.
func (w *world) rename(name, to string) {
	f := &w.files(4)[0]
	key := strings.TrimSuffix(f.Key, name) + to
	w.m[key] = w.m[f.Key]
	delete(w.m, f.Key)
	f.Key = key
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

// memoryChange is a change of objects.
type memoryChange func(memory)

func swap(key, old, with string) memoryChange {
	return func(m memory) { m[key] = bytes.Replace(m[key], []byte(old), []byte(with), 1) }
}

// after are changes of the objects: faults of a store, or of whoever changed them.
var after = map[string]change[memory]{
	"file missing": {func(m memory) { delete(m, rowsFile) }, "it is missing, though the entry is marked as published"},
	"manifest early": {func(m memory) {
		m[object20("manifests/", 9, ".json")] = m[object20("manifests/", 2, ".json")]
		delete(m, prefix+"rows/day=2025-05-01/hour=08/o3-1-0.jsonl")
	}, "o3-1-0.jsonl of entry 9: it is missing, though the entry is marked as published or has its manifest"},
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
	"manifest of none": {func(m memory) { m[object20("manifests/", 5, ".json")] = nil }, "entry 5 has no files and no counts"},
	"manifest broken":  {func(m memory) { m[object20("manifests/", 2, ".json")] = []byte("{") }, "unexpected end"},
	"odd name":         {func(m memory) { m[root+"s0000/12"] = nil }, "its name is not a number"},
	"blob missing":     {func(m memory) { delete(m, root+"blobs/"+token(3)+"-0") }, "entry 3: blob"},
	"blob another": {func(m memory) {
		m[root+"blobs/"+token(3)+"-0"] = envelope(&blob{header: header{1, 1}, Sets: []pendingSet{{Pending: &pending{First: "5", Through: 1, Count: 1}}}})
	}, "is not the one that the entry names"},
	"snapshot changed": {func(m memory) {
		key := object20("snapshots/", 9, "")
		line, _, _ := bytes.Cut(m[key], []byte("\n"))
		line = append(bytes.Replace(line, []byte(`"rows":14`), []byte(`"rows":15`), 1), '\n')
		m[key] = fmt.Appendf(line, "sha256:%s\n", hashOf(line))
	}, `it says "rows": 15`},
	"snapshot flipped": {flip(object20("snapshots/", 9, ""), 30), "its checksum does not match"},
	"snapshot ahead":   {func(m memory) { m[object20("snapshots/", 64, "")] = nil }, "an entry that does not exist"},
	"genesis missing":  {func(m memory) { delete(m, root+"genesis.json") }, "genesis.json: it is missing"},
	"manifest ahead":   {func(m memory) { m[object20("manifests/", 10, ".json")] = nil }, "it is of entry 10, and there are 9"},
	"owner ahead":      {func(m memory) { m[root+"owners/"+fmt.Sprintf("%010x%016x", 11, 1)] = nil }, "when there were 10 entries, and there are 9"},
	"genesis flipped":  {flip(root+"genesis.json", 40), "genesis.json: its checksum does not match"},
	"owner flipped":    {flip(root+"owners/o1", 40), "owners/o1: its checksum does not match"},
	"unknown field": {func(m memory) {
		m[object20("", 9, "")] = envelope(map[string]any{"format": 1, "min_reader": 1, "more": 1})
	}, "unknown field"},
}

// more are faults of a writer that the hand-made world needs more than a word for, and forms that nobody writes.
var more = map[string]change[*world]{
	"entry token":       {func(w *world) { w.entries[4].Token = "abc" }, `entry 5: token "abc"`},
	"lane token":        {func(w *world) { w.entries[3].Commit.Lanes[0].Token = strings.ToUpper(token(0xab)) }, "lane a: token"},
	"genesis token":     {func(w *world) { w.genesis.Token = "" }, `genesis.json: token ""`},
	"genesis start":     {func(w *world) { h := at(6, 30); w.genesis.Start = &h }, "is not the start of an hour"},
	"before start":      {func(w *world) { h := at(7, 0); w.genesis.Start = &h }, "which entry 0 closed"},
	"mark order":        {func(w *world) { w.entries[3].Published, w.entries[4].Published = nil, []uint64{4, 2} }, "published marks are not in order"},
	"no lane":           {func(w *world) { w.entries[8].Commit.Lanes = nil }, "it touches no lane"},
	"lane order":        {func(w *world) { w.addLane("a", 7) }, "its lanes are not in order"},
	"partition pending": {func(w *world) { w.part(4, 0, 0).PendingTime = at(7, 10) }, "0 records pending, the oldest of"},
	"partition twice": {func(w *world) {
		l := &w.entries[8].Commit.Lanes[0]
		l.Partitions = append(l.Partitions, row("9", 2, at(8, 0), time.Time{}))
	}, "is in it twice"},
	"children":    {func(w *world) { w.part(4, 0, 1).Ended = false }, "it has children and has not ended"},
	"empty file":  {func(w *world) { w.files(9)[0].Rows = 0 }, "0 rows in"},
	"file offset": {func(w *world) { w.files(9)[0].Offset = -1 }, "bytes at -1"},
	"header": {func(w *world) {
		f := w.file("table", "", at(6, 0), "o1-2-1.csv", "h\r\n", "1\r\n")
		f.Rows = 1
		w.entries[3].Commit.Files = append(w.files(4), f)
	}, "flow table: some of its files begin with a header"},
	"retired again": {func(w *world) { w.append(&entry{Kind: "retire", Retire: w.retire(8, "3")}) }, "was retired before"},
	"retire lane":   {func(w *world) { w.entries[7].Retire.Partition.ID = "1" }, "is in lane b"},

	"reason fate":   {func(w *world) { w.reasons(2, reason{"dead", "a", 1}, reason{"filtered", "b", 1}) }, `fate "filtered" is none, or not in order`},
	"reason order":  {func(w *world) { w.reasons(2, reason{"filtered", "b", 1}, reason{"filtered", "a", 1}) }, `reason "a" is not in order`},
	"reason text":   {func(w *world) { w.reasons(2, reason{"filtered", "a\x01", 1}) }, "not text"},
	"reason count":  {func(w *world) { w.reasons(2, reason{"dead", "a", 2}) }, "more records have a reason to be dead than are"},
	"late dropped":  {func(w *world) { w.entries[6].Commit.LateDropped = []flowRows{{"rows", 0}} }, `0 rows of flow "rows" were dropped`},
	"close flows":   {func(w *world) { slices.Reverse(w.entries[5].Close.Flows) }, "flows ["},
	"close of none": {func(w *world) { w.entries = []*entry{w.entries[0], w.entries[5]}; w.entries[1].ID = 2 }, "no partition is known"},
	"close passes over": {func(w *world) {
		w.entries[3].Commit.Files = append([]file{w.file("rows", "", at(5, 0), "o1-2-0.jsonl", "0\n")}, w.files(4)...)
	}, "is before the first one that it closes"},
	"close unsealed": {func(w *world) {
		w.entries[6].Sealed = time.Time{}
		w.append(&entry{Kind: "close", Close: w.closing(7, 8)})
	}, "are not known to be sealed"},
}

func (w *world) reasons(entry int, r ...reason) { w.entries[entry-1].Commit.Reasons = r }

func (w *world) append(e *entry) {
	e.header, e.ID, e.Token = header{1, 1}, uint64(len(w.entries)+1), token(len(w.entries)+1)
	w.entries = append(w.entries, e)
}

func (w *world) addLane(name string, base uint64) {
	c := w.entries[8].Commit
	c.Lanes = append(c.Lanes, laneCommit{Lane: name, Base: base, Token: token(101)})
}

func (w *world) retire(base uint64, id string) *retire {
	return &retire{Lane: "a", Base: base, Token: token(103), Partition: partition{Source: "s", ID: id}, Reason: "gone"}
}

func (w *world) closing(from, through int) *closeEntry {
	return &closeEntry{From: at(from, 0), Through: at(through, 0), At: at(11, 0), Listed: 4, ListedHash: strings.Repeat("0", 64),
		Flows: []string{"rows", "table"}, Seal: "_SEALED", Generation: 1}
}

// Seals come in order: none is there before those of all hours before it.
func TestSealsComeInOrder(t *testing.T) {
	w := good(t)
	p, q, r := row("0", 14, at(10, 0), at(9, 0)), row("1", 6, at(10, 0), at(9, 0)), row("9", 3, at(10, 0), at(9, 0))
	for _, p := range []*partitionRow{&p, &q, &r} {
		p.Read, p.Counts = 1, counts{Filtered: 1}
	}
	q.Counts.Filtered = 2 // with the one that was pending
	w.append(&entry{Kind: "commit", Published: []uint64{7, 9}, Commit: &commit{Lanes: []laneCommit{
		{Lane: "a", Base: 8, Token: token(103), Partitions: []partitionRow{p}},
		{Lane: "b", Base: 3, Token: token(102), Partitions: []partitionRow{q}},
		{Lane: "c", Base: 9, Token: token(104), Partitions: []partitionRow{r}},
	}}})
	w.append(&entry{Kind: "close", Close: w.closing(7, 9)})
	w.write(t)
	if said, violations, err := checked(t, w.m); violations > 0 || err != nil || !strings.Contains(said, "3 closed, 3 sealed") {
		t.Fatalf("got %v and\n%s", err, said)
	}
	// The ledger does not say yet that the two hours are sealed, so seals may be missing: the last ones.
	delete(w.m, prefix+"table/day=2025-05-01/hour=08/_SEALED")
	if said, violations, err := checked(t, w.m); violations > 0 || err != nil || !strings.Contains(said, "3 closed, 2 sealed") {
		t.Errorf("without the last seal: got %v and\n%s", err, said)
	}
	delete(w.m, prefix+"table/day=2025-05-01/hour=07/_SEALED")
	wantViolation(t, w.m, "the seal of an hour before it is not")
}

// A commit that finished records and has no file has a manifest, too: without it the sums of all would miss some.
func TestManifestsOfCountsAloneAreMissed(t *testing.T) {
	w := good(t)
	p := row("9", 3, at(8, 0), time.Time{})
	p.Read, p.Counts = 1, counts{Filtered: 1}
	w.append(&entry{Kind: "commit", Published: []uint64{7, 9}, Commit: &commit{Lanes: []laneCommit{
		{Lane: "c", Base: 9, Token: token(104), Partitions: []partitionRow{p}},
	}}})
	w.append(&entry{Kind: "mark", Published: []uint64{10}})
	w.write(t)
	if said, violations, err := checked(t, w.m); violations > 0 || err != nil || !strings.Contains(said, "manifests  6") {
		t.Fatalf("got %v and\n%s", err, said)
	}
	key := object20("manifests/", 10, ".json")
	w.m[key] = bytes.Replace(w.m[key], []byte(`"filtered": 1`), []byte(`"filtered": 2`), 1)
	wantViolation(t, w.m, "all manifests together read 22 records")
	delete(w.m, key)
	wantViolation(t, w.m, "it is missing")
}
