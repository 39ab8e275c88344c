package sink_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/codec"
	storage "github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// blackHole is a Store whose uploads, but for those of probes, keep nothing: a benchmark on it measures this package alone.
type blackHole struct{ *sinktest.Memory }

func (b blackHole) Stage(ctx context.Context, key, owner string, most int64) (storage.Upload, error) {
	up, err := b.Memory.Stage(ctx, key, owner, most)
	if strings.Contains(key, "/probe/") {
		return up, err
	}
	return hole{up}, err
}

type hole struct{ storage.Upload }

func (hole) Write(p []byte) (int, error) { return len(p), nil }

// benchFlows are n flows that share out the rows, in a format that costs next to nothing.
func benchFlows(n int, codec codec.Codec, keys ...sink.Key[row]) (flows []sink.Flow[row]) {
	for i := range n {
		f := sink.Flow[row]{Name: fmt.Sprintf("flow%d", i), Codec: codec, Keys: keys}
		f.Format = format.Lines(".txt", func(dst []byte, r *row) ([]byte, error) { return append(dst, r.Key...), nil })
		if n > 1 {
			f.Where = func(r *row) bool { return r.ID%n == i }
		}
		flows = append(flows, f)
	}
	return flows
}

// batch is rows of 200 bytes in two hours.
func batch(n int) []record.Event[row] {
	rows := make([]record.Event[row], n)
	for i := range rows {
		text := strings.Repeat(fmt.Sprintf("%d some text ", i*7919), 20)[:200]
		at := noon.Add(time.Duration(i%3-1) * time.Minute)
		rows[i] = record.Event[row]{Value: row{ID: i, Kind: fmt.Sprint("kind", i%50), Key: text}, Time: at}
	}
	return rows
}

func attached(tb testing.TB, store sink.Store, flows []sink.Flow[row]) *sink.Sink[row] {
	tb.Helper()
	out, err := sink.Open(tb.Context(), store, "job", flows, nil)
	if err != nil {
		tb.Fatal(err)
	}
	if err := out.Attach(tb.Context(), driver.Job{Source: driver.SourceInfo{ID: "test", Topics: topics}, Workers: 1}); err != nil {
		tb.Fatal(err)
	}
	if _, err := out.Acquire(tb.Context(), []driver.Assignment{{Lane: "a", Partitions: []record.Partition{part("a")}}}); err != nil {
		tb.Fatal(err)
	}
	return out
}

var writeCases = []struct {
	name  string
	flows []sink.Flow[row]
}{
	{"1 flow", benchFlows(1, codec.None)},
	{"6 flows", benchFlows(6, codec.None)},
	{"50 keys", benchFlows(1, codec.None, sink.Key[row]{Name: "kind", Value: func(r *row) string { return r.Kind }})},
	{"1 flow, zstd", benchFlows(1, codec.Zstd)},
	{"1 flow, gzip", benchFlows(1, codec.Gzip)},
}

func BenchmarkWrite(b *testing.B) {
	for _, c := range writeCases {
		b.Run(c.name, func(b *testing.B) {
			out := attached(b, blackHole{sinktest.NewMemory()}, c.flows)
			rows, fates := batch(1000), make([]record.Fate, 1000)
			txn := out.Begin(nil)
			b.ReportAllocs()
			b.SetBytes(200)
			b.ResetTimer()
			for n := 0; n < b.N; n += len(rows) {
				k := min(len(rows), b.N-n)
				if _, err := txn.Write(b.Context(), driver.Writer{Lane: "a"}, rows[:k], fates[:k]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestWritingARowDoesNotAllocate(t *testing.T) {
	for _, c := range writeCases {
		out := attached(t, blackHole{sinktest.NewMemory()}, c.flows)
		rows, fates := batch(1000), make([]record.Fate, 1000)
		txn := out.Begin(nil)
		write := func() {
			if _, err := txn.Write(t.Context(), driver.Writer{Lane: "a"}, rows, fates); err != nil {
				t.Fatal(err)
			}
		}
		for range 100 { // until the buffers have grown
			write()
		}
		if n := testing.AllocsPerRun(50, write); n > 5 {
			t.Errorf("%s: %v allocations for 1000 rows, want next to none", c.name, n)
		}
	}
}

// BenchmarkAppend has several instances that commit one row each to one ledger at once.
func BenchmarkAppend(b *testing.B) {
	for _, instances := range []int{1, 4, 16} {
		b.Run(fmt.Sprint(instances, " instances"), func(b *testing.B) {
			store := sinktest.NewMemory()
			outs := make([]*sink.Sink[row], instances)
			for i := range outs {
				outs[i] = attached(b, store, benchFlows(1, codec.None))
				acquireLane(b, outs[i], fmt.Sprint("lane", i))
			}
			b.ReportAllocs()
			b.ResetTimer()
			var wg sync.WaitGroup
			for i, out := range outs {
				wg.Go(func() { commitRows(b, out, fmt.Sprint("lane", i), (b.N+i)/instances) })
			}
			wg.Wait()
		})
	}
}

func acquireLane(tb testing.TB, out *sink.Sink[row], lane string) {
	tb.Helper()
	if _, err := out.Acquire(tb.Context(), []driver.Assignment{{Lane: lane, Partitions: []record.Partition{part(lane)}}}); err != nil {
		tb.Fatal(err)
	}
}

// commitRows commits n transactions that read one record and write nothing but that.
func commitRows(tb testing.TB, out *sink.Sink[row], lane string, n int) {
	p := part(lane)
	var txn driver.Txn[row]
	for i := range n {
		txn = out.Begin(txn)
		cut := driver.Cut{Lanes: []driver.LaneCut{{
			Lane: lane, Partitions: map[record.Partition]driver.Progress{p: {UpTo: record.Position{Sub: int64(i + 1)}, MaxEventTime: noon}},
			Read:   map[record.Partition]int64{p: 1},
			Counts: map[record.Partition]record.Counts{p: {record.Filtered: 1}},
		}}}
		if _, err := txn.Commit(tb.Context(), cut); err != nil {
			tb.Error(err)
			return
		}
	}
}

// BenchmarkOpen starts on a job that has 100,000 entries.
func BenchmarkOpen(b *testing.B) {
	store := sinktest.NewMemory()
	commitRows(b, attached(b, store, benchFlows(1, codec.None)), "a", 100_000)
	b.ReportAllocs()
	for b.Loop() {
		s, err := sink.Inspect(b.Context(), store, "job", nil)
		if err != nil || s.Entry < 100_000 {
			b.Fatal(s.Entry, err)
		}
	}
	b.ReportMetric(float64(100_000%ledger.SnapshotEvery), "entries/op")
}
