package sink_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"hash/crc32"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// row is what tests write.
type row struct {
	ID   int    `json:"id"`
	Kind string `json:"kind,omitempty"`
	Key  string `json:"key,omitempty"`
}

var noon = time.Date(2025, 5, 1, 12, 0, 0, 0, time.UTC)

// fixed is a clock that stands still until it is set.
type fixed struct{ t time.Time }

func (f *fixed) now() time.Time { return f.t }

func memory(at time.Time) (*sinktest.Memory, *fixed) {
	c := &fixed{at}
	return &sinktest.Memory{Clock: c.now}, c
}

func rowsFlow(name string) sink.Flow[row] {
	return sink.Flow[row]{Name: name, Format: format.JSONLines[row]()}
}

// part is the partition that lane name consists of.
func part(lane string) record.Partition { return record.Partition{Source: "src", ID: lane} }

var topics = []string{"src"}

// instance is one process: a sink, what it has read, and a lane driver that stands for the engine.
type instance struct {
	t    *testing.T
	out  *sink.Sink[row]
	at   map[string]driver.Progress // of each lane's only partition, with what is not committed
	read map[string]int64           // since the last cut
	done map[string]record.Counts
	txn  driver.Txn[row]

	followed bool // all lanes: see driver.LaneCut
}

func open(t *testing.T, store sink.Store, seal *sink.SealOptions, opts *sink.Options, flows ...sink.Flow[row]) *instance {
	t.Helper()
	in, err := tryOpen(t, store, seal, opts, flows...)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return in
}

func tryOpen(t *testing.T, store sink.Store, seal *sink.SealOptions, opts *sink.Options, flows ...sink.Flow[row]) (*instance, error) {
	t.Helper()
	return openIn(testContext(t), t, store, seal, opts, flows...)
}

// openIn is tryOpen in a world of its own.
func openIn(ctx context.Context, t *testing.T, store sink.Store, seal *sink.SealOptions, opts *sink.Options, flows ...sink.Flow[row]) (*instance, error) {
	t.Helper()
	out, err := sink.Open(ctx, store, "job", flows, opts)
	if err != nil {
		return nil, err
	}
	if seal != nil {
		out.Seal(seal)
	}
	job := driver.Job{Source: driver.SourceInfo{ID: "test", Topics: topics}, Workers: 2}
	if err := out.Attach(ctx, job); err != nil {
		return nil, err
	}
	return &instance{t: t, out: out, at: map[string]driver.Progress{}}, nil
}

// acquire takes lanes over and begins a transaction.
func (in *instance) acquire(lanes ...string) {
	in.t.Helper()
	if err := in.tryAcquire(lanes...); err != nil {
		in.t.Fatalf("acquire: %v", err)
	}
}

func (in *instance) tryAcquire(lanes ...string) error {
	var as []driver.Assignment
	for _, l := range lanes {
		as = append(as, driver.Assignment{Lane: l, Partitions: []record.Partition{part(l)}})
	}
	got, err := in.out.Acquire(testContext(in.t), as)
	if err != nil {
		return err
	}
	for _, l := range lanes {
		in.at[l] = got[part(l)]
	}
	in.read, in.done = map[string]int64{}, map[string]record.Counts{}
	in.txn = in.out.Begin(nil)
	return nil
}

// write passes rows of a lane, each a record of its own, and returns their fates.
func (in *instance) write(lane string, at time.Time, ids ...int) []record.Fate {
	in.t.Helper()
	fates, err := in.tryWrite(lane, at, ids...)
	if err != nil {
		in.t.Fatalf("write: %v", err)
	}
	return fates
}

func (in *instance) tryWrite(lane string, at time.Time, ids ...int) ([]record.Fate, error) {
	var rows []record.Event[row]
	for _, id := range ids {
		rows = append(rows, record.Event[row]{Value: row{ID: id}, Time: at})
	}
	return in.tryEvents(lane, rows...)
}

func (in *instance) tryEvents(lane string, rows ...record.Event[row]) ([]record.Fate, error) {
	fates := make([]record.Fate, len(rows))
	_, err := in.txn.Write(testContext(in.t), driver.Writer{Lane: lane}, rows, fates)
	if err != nil {
		return nil, err
	}
	for i, f := range fates {
		in.consume(lane, rows[i].Time, f)
	}
	return fates, nil
}

func (in *instance) consume(lane string, at time.Time, f record.Fate) {
	pr := in.at[lane]
	pr.UpTo.Sub++
	if at.After(pr.MaxEventTime) {
		pr.MaxEventTime = at
	}
	in.at[lane] = pr
	in.read[lane]++
	c := in.done[lane]
	c[f]++
	in.done[lane] = c
}

// seen moves a lane's clock, as a proven end of the log does.
func (in *instance) seen(lane string, at time.Time) {
	pr := in.at[lane]
	pr.MaxEventTime = at
	in.at[lane] = pr
}

// end ends a lane's partition.
func (in *instance) end(lane string) {
	pr := in.at[lane]
	pr.Ended = true
	in.at[lane] = pr
}

func (in *instance) cut() driver.Cut {
	var cut driver.Cut
	for _, l := range slices.Sorted(maps.Keys(in.at)) {
		cut.Lanes = append(cut.Lanes, driver.LaneCut{
			Lane: l, Partitions: map[record.Partition]driver.Progress{part(l): in.at[l]},
			Read: map[record.Partition]int64{part(l): in.read[l]}, Counts: map[record.Partition]record.Counts{part(l): in.done[l]},
			Followed: in.followed,
		})
	}
	in.read, in.done = map[string]int64{}, map[string]record.Counts{}
	return cut
}

// tryCommit commits and begins the next transaction on top.
func (in *instance) tryCommit() error {
	txn := in.txn
	_, err := txn.Commit(testContext(in.t), in.cut())
	in.txn = in.out.Begin(txn)
	return err
}

func (in *instance) commit() {
	in.t.Helper()
	if err := in.tryCommit(); err != nil {
		in.t.Fatalf("commit: %v", err)
	}
}

func (in *instance) tryMaintain(lanes ...string) (driver.Upkeep, error) {
	return in.out.Maintain(testContext(in.t), partsOf(lanes...))
}

// partsOf is Source.Partitions of a source that has these lanes.
func partsOf(lanes ...string) func(context.Context) ([]record.Partition, error) {
	return func(context.Context) (ps []record.Partition, err error) {
		for _, l := range lanes {
			ps = append(ps, part(l))
		}
		return ps, nil
	}
}

// maintain is Maintain with a source that has these lanes.
func (in *instance) maintain(lanes ...string) driver.Upkeep {
	in.t.Helper()
	up, err := in.tryMaintain(lanes...)
	if err != nil {
		in.t.Fatalf("maintain: %v", err)
	}
	return up
}

// keys lists the objects below prefix that contain part.
func keys(t *testing.T, store sink.Store, prefix string) []string {
	t.Helper()
	var out []string
	for o, err := range store.List(context.Background(), prefix, "") {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, o.Key)
	}
	return out
}

// visible returns the IDs of the rows in the folder of a flow, sorted.
func visible(t *testing.T, store sink.Store, folder string) []int {
	t.Helper()
	var ids []int
	for _, key := range keys(t, store, folder) {
		if strings.Contains(key, "/_") {
			continue
		}
		body, err := store.Read(context.Background(), key, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, rowIDs(t, key, body)...)
	}
	slices.Sort(ids)
	return ids
}

func rowIDs(t *testing.T, key string, body []byte) (ids []int) {
	t.Helper()
	for _, line := range lines(t, key, body) {
		var r row
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		ids = append(ids, r.ID)
	}
	return ids
}

func lines(t *testing.T, key string, body []byte) (out [][]byte) {
	t.Helper()
	var sc *bufio.Scanner
	if strings.HasSuffix(key, ".gz") {
		r, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		sc = bufio.NewScanner(r)
	} else {
		sc = bufio.NewScanner(bytes.NewReader(body))
	}
	for sc.Scan() {
		out = append(out, bytes.Clone(sc.Bytes()))
	}
	if err := sc.Err(); err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	return out
}

func upTo(n int) []int {
	ids := make([]int, n)
	for i := range ids {
		ids[i] = i
	}
	return ids
}

func crc(body []byte) uint32 { return crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)) }
