package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/onceflow/onceflow/examples/verify/internal/bucket"
)

// memory is a bucket.
type memory map[string][]byte

func (m memory) List(context.Context) iter.Seq2[bucket.Object, error] {
	return func(yield func(bucket.Object, error) bool) {
		for key, body := range m {
			if !yield(bucket.Object{Key: key, Size: int64(len(body))}, nil) {
				return
			}
		}
	}
}

func (m memory) Open(_ context.Context, key string) (io.ReadCloser, error) {
	body, ok := m[key]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(body)), nil
}

const (
	prefix = "x/"
	root   = prefix + "_onceflow/job/e0001/"
)

func at(h, m int) time.Time { return time.Date(2025, 5, 1, h, m, 0, 0, time.UTC) }

func token(n int) string { return fmt.Sprintf("%032x", n) }

// world is an output folder before it is written: first the contents, which tests change before the checksums are made,
// then the objects.
type world struct {
	prefix  string
	job     string
	genesis genesis
	entries []*entry
	owners  map[string]*owner
	blobs   map[string]*blob
	m       memory

	flowsOf string // the job that the flows' claims name; empty is ours

	// Changes between the steps of writing.
	encoded func(n int, body []byte) []byte // an entry's object
}

func (w *world) root() string { return w.prefix + "_onceflow/" + w.job + "/e0001/" }

// file makes a data file and what an entry says of it.
func (w *world) file(flow, kind string, h time.Time, name string, rows ...string) file {
	folder := w.prefix + flow + "/"
	if kind == "late" {
		folder = w.prefix + "late/" + flow + "/"
	}
	key := folder + h.Format("day=2006-01-02/hour=15/") + name
	var body bytes.Buffer
	text := strings.Join(rows, "")
	if strings.HasSuffix(name, ".gz") {
		z := gzip.NewWriter(&body)
		_, _ = z.Write([]byte(text))
		_ = z.Close()
	} else {
		body.WriteString(text)
	}
	w.m[key] = body.Bytes()
	return file{Flow: flow, Kind: kind, Hour: h, Key: key, Length: int64(body.Len()), Rows: int64(len(rows)),
		CRC32C: crc32.Checksum(body.Bytes(), crc32.MakeTable(crc32.Castagnoli))}
}

func number(n int64) string { return fmt.Sprint(n) }

// row is a partition's progress.
func row(id string, upTo int64, maxTime time.Time, watermark time.Time) partitionRow {
	return partitionRow{partition: partition{Source: "s", ID: id}, UpTo: number(upTo), MaxEventTime: maxTime, Watermark: watermark}
}

// good is a world in which all is well: two lanes, pending records, late and dead ones, blobs, closed and sealed hours, an
// ended partition with a child, a retired one.
func good(t *testing.T) *world { return goodAt(t, prefix, "job") }

func goodAt(t *testing.T, prefix, job string) *world {
	t.Helper()
	w := &world{prefix: prefix, job: job, m: memory{}, owners: map[string]*owner{}, blobs: map[string]*blob{}}
	w.genesis = genesis{header: header{1, 1}, Job: job, Epoch: 1, HourNS: int64(time.Hour), Layout: "hive2", Source: "s", Shards: 1,
		Shard: "single", Created: at(5, 0), Token: token(1000)}
	add := func(e *entry) {
		e.header, e.ID, e.Token = header{1, 1}, uint64(len(w.entries)+1), token(len(w.entries)+1)
		w.entries = append(w.entries, e)
	}
	add(&entry{Kind: "config", Config: &config{Generation: 1, Topics: []string{"s"}}})

	// Entry 2: lane a reads 10 records of hour 6 and holds three of them.
	p := row("0", 10, at(6, 50), at(6, 10))
	p.Read, p.PendingLen, p.PendingTime, p.Counts = 10, 3, at(6, 10), counts{Written: 4, Filtered: 2, Dead: 1}
	p.Pending = &pending{First: "3", Through: 8, Count: 3, Runs: []byte{40, 191, 251, 224}} // 3, 4 and 8
	add(&entry{Kind: "commit", Commit: &commit{
		Lanes: []laneCommit{{Lane: "a", Base: 0, Token: token(101), Partitions: []partitionRow{p}}},
		Files: []file{
			w.file("dead", "dead", at(11, 0), "o1-2-0.jsonl.gz", `{"error":"bad"}`+"\n"),
			w.file("rows", "", at(6, 0), "o1-1-0.jsonl.gz", "{}\n", "[1]\n"),
			w.file("table", "", at(6, 0), "o1-1-1.csv", "a,\"b\nc\"\r\n", "d,e\r\n"),
		},
	}})

	w.entries[1].Commit.Reasons = []reason{{"filtered", "bot", 2}, {"dead", "decode: bad", 1}}

	// Entry 3: lane b, all in blobs.
	q := row("1", 5, at(7, 40), at(7, 20))
	q.Read, q.PendingLen, q.PendingTime, q.Counts = 5, 1, at(7, 30), counts{Written: 4}
	q.PendingBlob = &blobRef{Key: "blobs/" + token(3) + "-0"}
	w.blobs[q.PendingBlob.Key] = &blob{Sets: []pendingSet{{Pending: &pending{First: "4", Through: 2, Count: 1}}}}
	w.blobs["blobs/"+token(3)+"-1"] = &blob{Files: []file{w.file("rows", "", at(7, 0), "o2-1-0.jsonl", "1\n", "2\n", "3\n", "4\n")}}
	w.blobs["blobs/"+token(3)+"-2"] = &blob{Lanes: []laneCommit{{Lane: "b", Token: token(102), Partitions: []partitionRow{q}}}}
	add(&entry{Kind: "commit", Commit: &commit{
		FilesBlob: &blobRef{Key: "blobs/" + token(3) + "-1"}, BodyBlob: &blobRef{Key: "blobs/" + token(3) + "-2"},
	}})

	// Entry 4: lane a finishes what it held, and another partition of it ends, with a child.
	p = row("0", 12, at(7, 20), at(7, 5))
	p.Read, p.Counts = 2, counts{Written: 4, Merged: 1}
	e := row("2", 1, at(7, 30), at(7, 15))
	e.Read, e.Counts, e.Ended, e.Children = 1, counts{Duplicate: 1}, true, []partition{{Source: "s", ID: "3"}}
	add(&entry{Kind: "commit", Published: []uint64{2}, Commit: &commit{
		Lanes: []laneCommit{{Lane: "a", Base: 2, Token: token(101), Partitions: []partitionRow{p, e}}},
		Files: []file{w.file("rows", "", at(6, 0), "o1-2-0.jsonl", "1\n", "2\n", "3\n", "4\n")},
	}})
	add(&entry{Kind: "mark", Published: []uint64{4}})

	// Entry 6 closes hour 6.
	add(&entry{Kind: "close", Close: &closeEntry{From: at(6, 0), Through: at(7, 0), At: at(11, 0), LatenessNS: int64(15 * time.Minute), Listed: 4,
		ListedHash: strings.Repeat("0", 64), Flows: []string{"rows", "table"}, Seal: "_SEALED", Generation: 1}})

	// Entry 7: a record of hour 6 is late.
	p = row("0", 13, at(7, 20), at(7, 5))
	p.Read, p.Counts = 1, counts{Late: 1}
	add(&entry{Kind: "commit", Sealed: at(7, 0), Commit: &commit{
		Lanes:       []laneCommit{{Lane: "a", Base: 4, Token: token(101), Partitions: []partitionRow{p}}},
		Files:       []file{w.file("rows", "late", at(6, 0), "o1-3-0.jsonl", "1\n")},
		LateDropped: []flowRows{{"table", 1}},
	}})
	add(&entry{Kind: "retire", Retire: &retire{Lane: "a", Base: 7, Token: token(103), Partition: partition{Source: "s", ID: "3"}, Reason: "gone"}})

	// Entry 9: lane c, which was never touched, so that its base is the Close. Nothing of it is published yet.
	r := row("9", 2, at(8, 0), time.Time{})
	r.Read, r.Counts = 2, counts{Written: 2}
	add(&entry{Kind: "commit", Published: []uint64{3}, Commit: &commit{
		Lanes: []laneCommit{{Lane: "c", Base: 6, Token: token(104), Partitions: []partitionRow{r}}},
		Files: []file{w.file("rows", "", at(8, 0), "o3-1-0.jsonl", "1\n", "2\n")},
	}})
	for id, lanes := range map[string][]string{"o1": {"a", token(101)}, "o2": {"b", token(102)}, "o3": {"c", token(104)}} {
		o := &owner{header: header{1, 1}}
		o.add(lanes[0], lanes[1], 1)
		w.owners[id] = o
	}
	return w
}

func (o *owner) add(lane, token string, index uint64) {
	o.Lanes = append(o.Lanes, ownedLane{Lane: lane, Token: token, Index: index, Parts: 1})
}

// envelope makes a control object.
func envelope(v any) []byte {
	line, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	line = append(line, '\n')
	sum := sha256.Sum256(line)
	return fmt.Appendf(line, "sha256:%x\n", sum)
}

func hashOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// write makes the objects of w, in the order in which they name each other.
func (w *world) write(t *testing.T) {
	t.Helper()
	root := w.root()
	body := envelope(w.genesis)
	w.m[root+"genesis.json"] = body
	prev := hashOf(body)
	for id, o := range w.owners {
		w.m[root+"owners/"+id] = envelope(o)
	}
	for _, flow := range []string{"rows", "table"} {
		w.m[w.prefix+"_onceflow/.flows/"+flow+".json"] = envelope(flowClaim{header{1, 1}, flow, cmpOr(w.flowsOf, w.job)})
	}
	for i, e := range w.entries {
		w.writeBlobs(e)
		if c := e.Commit; c != nil && c.Hours == nil && c.BodyBlob == nil {
			c.Hours = sums(c.Files)
		}
		if e.Prev == "" {
			e.Prev = prev
		}
		body := envelope(e)
		prev = hashOf(body)
		if w.encoded != nil {
			body = w.encoded(i+1, body)
		}
		if body != nil {
			w.m[fmt.Sprintf("%ss0000/%020d", root, i+1)] = body
		}
	}
	w.derive(t)
}

// writeBlobs makes the blobs of an entry and puts their hashes into it, those that other blobs name first.
func (w *world) writeBlobs(e *entry) {
	put := func(ref *blobRef) {
		if ref == nil {
			return
		}
		b := w.blobs[ref.Key]
		b.header = header{1, 1}
		body := envelope(b)
		w.m[w.root()+ref.Key] = body
		ref.SHA256, ref.Bytes = hashOf(body), int64(len(body))
	}
	c := e.Commit
	if c == nil {
		return
	}
	lanes := c.Lanes
	if c.BodyBlob != nil {
		body := w.blobs[c.BodyBlob.Key]
		if c.FilesBlob != nil && body.Hours == nil {
			body.Hours = sums(w.blobs[c.FilesBlob.Key].Files)
		}
		lanes = body.Lanes
	}
	for i := range lanes {
		for k := range lanes[i].Partitions {
			put(lanes[i].Partitions[k].PendingBlob)
		}
	}
	put(c.FilesBlob)
	put(c.BodyBlob)
}

func sums(files []file) (list []hourSum) {
	for i := range files {
		f := &files[i]
		if f.Kind != "" {
			continue
		}
		if n := len(list); n == 0 || list[n-1].Hour != f.Hour {
			list = append(list, hourSum{Hour: f.Hour})
		}
		s := &list[len(list)-1]
		s.Files, s.Rows, s.Bytes = s.Files+1, s.Rows+f.Rows, s.Bytes+f.Length
	}
	return list
}

// derive writes manifests, seals and a snapshot by what the checker itself makes of the ledger. What they must hold in
// fact, the test with a real output tells.
func (w *world) derive(t *testing.T) {
	t.Helper()
	jobs, err := findJobs(w.m, &report{out: io.Discard}, w.sizes())
	if err != nil || len(jobs) != 1 {
		return
	}
	l := jobs[0]
	if err := l.load(t.Context(), w.sizes()); err != nil {
		return
	}
	root := w.root()
	for _, c := range l.commits.list {
		if c.published {
			w.m[fmt.Sprintf("%smanifests/s0000/%020d.json", root, c.id)] = plain(l.place.manifestOf(c))
		}
	}
	for _, c := range l.hours.closes {
		for h := c.close.From; h.Before(c.close.Through); h = h.Add(time.Hour) {
			m := l.hours.manifestOf(c, h)
			w.m[root+"hours/"+l.place.hourName(h)+".json"] = plain(m)
			for flow := range m.Flows {
				w.m[w.prefix+flow+"/"+l.place.hourFolder(h)+c.close.Seal] = []byte{}
			}
		}
	}
	s := l.state()
	if len(l.lanes.finished.changes) > 0 {
		s.Finished = &snapshotFinished{Tail: l.lanes.finished.changes}
	}
	w.m[fmt.Sprintf("%ssnapshots/s0000/%020d", root, l.last)] = envelope(s)
}

func plain(v any) []byte {
	body, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		panic(err)
	}
	return body
}

func (w *world) sizes() map[string]int64 {
	sizes := map[string]int64{}
	for key, body := range w.m {
		sizes[key] = int64(len(body))
	}
	return sizes
}
