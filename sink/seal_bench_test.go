package sink_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink"
	sinkfile "github.com/onceflow/onceflow/sink/file"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// far is a Store whose reads, or creations, take a while, once it is told to.
type far struct {
	sink.Store
	delay, creation atomic.Int64 // nanoseconds
	reads           atomic.Int64
}

func (f *far) Create(ctx context.Context, key string, body []byte) error {
	if d := time.Duration(f.creation.Load()); d > 0 {
		time.Sleep(d) //nolint:forbidigo // it is what is measured
	}
	return f.Store.Create(ctx, key, body)
}

func (f *far) Read(ctx context.Context, key string, limit int64) ([]byte, error) {
	f.reads.Add(1)
	if d := time.Duration(f.delay.Load()); d > 0 {
		time.Sleep(d) //nolint:forbidigo // it is what is measured
	}
	return f.Store.Read(ctx, key, limit)
}

// sealLanes is how many instances there would be, each with a lane, and sealCommits how often each commits in an hour.
const sealLanes, sealCommits = 300, 60

// fillHour commits an hour's entries, each with one file, and then moves all clocks past it.
func fillHour(tb testing.TB, out *sink.Sink[row]) {
	tb.Helper()
	txn, sub := out.Begin(nil), int64(0)
	commit := func(seen time.Time, rows int64, lanes ...string) {
		var cut driver.Cut
		for _, lane := range lanes {
			p := part(lane)
			cut.Lanes = append(cut.Lanes, driver.LaneCut{
				Lane: lane, Partitions: map[record.Partition]driver.Progress{p: {UpTo: record.Position{Sub: sub}, MaxEventTime: seen}},
				Read: map[record.Partition]int64{p: rows}, Counts: map[record.Partition]record.Counts{p: {record.Written: rows}},
			})
		}
		if _, err := txn.Commit(tb.Context(), cut); err != nil {
			tb.Fatal(err)
		}
		txn = out.Begin(txn)
	}
	var lanes []string
	for i := range sealLanes {
		lanes = append(lanes, fmt.Sprintf("lane%03d", i))
		acquireLane(tb, out, lanes[i])
	}
	rows, fates := []record.Event[row]{{Time: noon.Add(time.Minute)}}, make([]record.Fate, 1)
	for range sealCommits {
		sub++
		for _, lane := range lanes {
			if _, err := txn.Write(tb.Context(), driver.Writer{Lane: lane}, rows, fates); err != nil {
				tb.Fatal(err)
			}
			commit(noon.Add(time.Minute), 1, lane)
		}
	}
	commit(noon.Add(75*time.Minute), 0, lanes...)
}

// BenchmarkSeal closes and seals an hour of 300 instances that committed once a minute: 18,000 entries. The closer has
// either seen all of them pass, or has just started.
func BenchmarkSeal(b *testing.B) {
	disk := func() sink.Store {
		s, err := sinkfile.Open(b.TempDir(), &sinkfile.Options{NoSync: true})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { s.Close() })
		return s
	}
	mem := func() sink.Store {
		m, _ := memory(noon.Add(5 * time.Hour))
		return &counter{Memory: m}
	}
	for _, c := range []struct {
		name  string
		store func() sink.Store
		delay time.Duration
		fresh bool
	}{
		{"disk", disk, 0, false}, {"disk, just started", disk, 0, true},
		{"20 ms a read", mem, 20 * time.Millisecond, false}, {"20 ms a read, just started", mem, 20 * time.Millisecond, true},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				store := &far{Store: c.store()}
				out := sealing(b, store)
				fillHour(b, out)
				if c.fresh {
					out = sealing(b, store)
				}
				store.delay.Store(int64(c.delay))
				store.reads.Store(0)
				b.StartTimer()
				up, err := out.Maintain(b.Context(), func(context.Context) (ps []record.Partition, err error) {
					for i := range sealLanes {
						ps = append(ps, part(fmt.Sprintf("lane%03d", i)))
					}
					return ps, nil
				})
				if err != nil || up.ClosedHours != 1 {
					b.Fatalf("%+v, %v", up, err)
				}
				b.ReportMetric(float64(store.reads.Load()), "reads/op")
			}
		})
	}
}

// sealing is an instance that closes hours.
func sealing(tb testing.TB, store sink.Store) *sink.Sink[row] {
	tb.Helper()
	out, err := sink.Open(tb.Context(), store, "job", []sink.Flow[row]{rowsFlow("rows")}, nil)
	if err != nil {
		tb.Fatal(err)
	}
	out.Seal(quarter)
	if err := out.Attach(tb.Context(), driver.Job{Source: driver.SourceInfo{ID: "test", Topics: topics}, Workers: 1}); err != nil {
		tb.Fatal(err)
	}
	return out
}

// BenchmarkSealEmptyHours closes and seals a thousand hours without data, on a disk that syncs and on a store where each
// object that is created takes a while.
func BenchmarkSealEmptyHours(b *testing.B) {
	const hours = 1000
	for _, name := range []string{"disk", "20 ms a create"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				mem, _ := memory(noon.Add((hours + 2) * time.Hour))
				store := &far{Store: mem}
				if name == "disk" {
					s, err := sinkfile.Open(b.TempDir(), nil)
					if err != nil {
						b.Fatal(err)
					}
					b.Cleanup(func() { s.Close() })
					store.Store = s
				}
				out := sealing(b, store)
				acquireLane(b, out, "a")
				commitClock(b, out, "a", noon, noon.Add(hours*time.Hour+quarter.Lateness))
				if name != "disk" {
					store.creation.Store(int64(20 * time.Millisecond))
				}
				b.StartTimer()
				up, err := out.Maintain(b.Context(), func(context.Context) ([]record.Partition, error) { return []record.Partition{part("a")}, nil })
				if err != nil || up.ClosedHours != hours {
					b.Fatalf("%+v, %v", up, err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/hours/1e6, "ms/hour")
		})
	}
}

// commitClock commits a row of an hour, and then a clock.
func commitClock(tb testing.TB, out *sink.Sink[row], lane string, first, seen time.Time) {
	tb.Helper()
	txn, p := out.Begin(nil), part(lane)
	rows, fates := []record.Event[row]{{Time: first}}, make([]record.Fate, 1)
	if _, err := txn.Write(tb.Context(), driver.Writer{Lane: lane}, rows, fates); err != nil {
		tb.Fatal(err)
	}
	for i, at := range []time.Time{first, seen} {
		rows := int64(1 - i)
		cut := driver.Cut{Lanes: []driver.LaneCut{{
			Lane: lane, Partitions: map[record.Partition]driver.Progress{p: {UpTo: record.Position{Sub: 1}, MaxEventTime: at}},
			Read: map[record.Partition]int64{p: rows}, Counts: map[record.Partition]record.Counts{p: {record.Written: rows}},
		}}}
		if _, err := txn.Commit(tb.Context(), cut); err != nil {
			tb.Fatal(err)
		}
		txn = out.Begin(txn)
	}
}
