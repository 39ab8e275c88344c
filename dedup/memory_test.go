package dedup_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/onceflow/onceflow/dedup"
	"github.com/onceflow/onceflow/dedup/deduptest"
)

func TestMemoryConforms(t *testing.T) {
	records := 300_000
	if testing.Short() {
		records = 20_000
	}
	deduptest.Run(t, func(*testing.T) dedup.Store { return dedup.NewMemory(nil) },
		&deduptest.Options{NoHolders: true, Records: records})
}

func heap() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// fill claims n IDs in batches, an hour of event time for each 24th of them.
func fill(tb testing.TB, h dedup.Table, n int) {
	batch, won := make([]dedup.Claim, 0, 4096), make([]bool, 4096)
	for i := range n {
		batch = append(batch, claimOf(i, t0.Add(time.Duration(int64(i)*24/int64(n))*time.Hour)))
		if len(batch) == cap(batch) || i == n-1 {
			if err := h.Claim(tb.Context(), batch, won[:len(batch)]); err != nil {
				tb.Fatal(err)
			}
			batch = batch[:0]
		}
	}
}

var t0 = time.Date(2025, 5, 1, 0, 0, 0, 0, time.UTC)

func claimOf(i int, at time.Time) dedup.Claim {
	r := rand.NewPCG(uint64(i), 7)
	var c dedup.Claim
	for j := range 2 {
		v := r.Uint64()
		for k := range 8 {
			c.ID[8*j+k] = byte(v >> (8 * k))
		}
	}
	c.Time = at
	return c
}

func open(tb testing.TB) dedup.Table {
	h, err := dedup.NewMemory(nil).Open(tb.Context(), dedup.Space{Window: 24 * time.Hour, Bucket: time.Hour})
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

func TestMemoryCostsAtMost32BytesAnID(t *testing.T) {
	if testing.Short() {
		t.Skip("measures memory")
	}
	for _, n := range []int{100_000, 300_000, 750_000, 1_000_000} {
		before := heap()
		h := open(t)
		fill(t, h, n)
		got := float64(heap()-before) / float64(n)
		t.Logf("%d IDs: %.1f bytes an ID", n, got)
		if got > 32 {
			t.Errorf("%d IDs: %.1f bytes an ID, want at most 32", n, got)
		}
		runtime.KeepAlive(h)
	}
}

func TestForgottenBucketsMakeRoom(t *testing.T) {
	if testing.Short() {
		t.Skip("measures memory")
	}
	for _, perHour := range []int{4_000, 10_000, 12_000} { // a size may be lucky
		h, before := open(t), heap()
		most := 0.0
		for hour := range 24 * 20 {
			passHour(t, h, hour, perHour)
			if hour%60 == 59 {
				most = max(most, float64(heap()-before)/float64(25*perHour))
			}
		}
		t.Logf("%d IDs an hour: %.1f bytes a live ID at most", perHour, most)
		if most > 32 {
			t.Errorf("%d IDs an hour: %.1f bytes a live ID in 20 days, want at most 32", perHour, most)
		}
		runtime.KeepAlive(h)
	}
}

func TestTenMillionCopiesOfOneIDTakeOnePlace(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a second")
	}
	h := open(t)
	batch, won := make([]dedup.Claim, perOp), make([]bool, perOp)
	for i := range batch {
		batch[i] = claimOf(1, t0)
	}
	before, wins := heap(), 0
	for range 10_000_000 / perOp {
		if err := h.Claim(t.Context(), batch, won); err != nil {
			t.Fatal(err)
		}
		for _, w := range won {
			if w {
				wins++
			}
		}
	}
	if got := heap() - before; wins != 1 || got > 10_000 {
		t.Errorf("%d of the copies won and they take %d bytes, want one and next to nothing", wins, got)
	}
	runtime.KeepAlive(h)
}

// passHour claims the IDs of an hour, and forgets those of the hour 24 hours before it.
func passHour(tb testing.TB, h dedup.Table, hour, ids int) {
	at := t0.Add(time.Duration(hour) * time.Hour)
	batch, won := make([]dedup.Claim, 0, perOp), make([]bool, perOp)
	for i := range ids {
		batch = append(batch, claimOf(hour*ids+i, at))
		if len(batch) == cap(batch) || i == ids-1 {
			if err := h.Claim(tb.Context(), batch, won[:len(batch)]); err != nil {
				tb.Fatal(err)
			}
			batch = batch[:0]
		}
	}
	if err := h.Expire(tb.Context(), at.Add(-24*time.Hour)); err != nil {
		tb.Fatal(err)
	}
}

// The cost of a new ID where as many IDs come as go, a day of them in the table.
func BenchmarkMemorySteady(b *testing.B) {
	for _, n := range sizes() {
		b.Run(fmt.Sprintf("ids=%d", n), func(b *testing.B) {
			h, before, perHour, hour := open(b), heap(), n/25, 0
			for ; hour < 60; hour++ {
				passHour(b, h, hour, perHour)
			}
			bytes := float64(heap() - before)
			in, won := make([]dedup.Claim, perOp), make([]bool, perOp)
			i := hour * perHour
			for b.Loop() {
				b.StopTimer()
				for j := range in {
					at := t0.Add(time.Duration(i/perHour) * time.Hour)
					if i%perHour == 0 {
						if err := h.Expire(b.Context(), at.Add(-25*time.Hour)); err != nil {
							b.Fatal(err)
						}
					}
					in[j] = claimOf(i, at)
					i++
				}
				b.StartTimer()
				if err := h.Claim(b.Context(), in, won); err != nil {
					b.Fatal(err)
				}
			}
			report(b, n, bytes)
		})
	}
}

// sizes are 1 million IDs, and 10 million if asked for.
func sizes() []int {
	if os.Getenv("ONCEFLOW_LONG") != "" {
		return []int{1_000_000, 10_000_000}
	}
	return []int{1_000_000}
}

// The cost of an ID in a table that holds n: new ones, and ones that are there; beside a Go map.
func BenchmarkMemory(b *testing.B) {
	for _, n := range sizes() {
		for _, hit := range []bool{false, true} {
			b.Run(fmt.Sprintf("ids=%d/hit=%v", n, hit), func(b *testing.B) { benchmarkTable(b, n, hit) })
			b.Run(fmt.Sprintf("ids=%d/hit=%v/map", n, hit), func(b *testing.B) { benchmarkMap(b, n, hit) })
		}
	}
}

const perOp = 4096

// batches are claims of IDs that are there, or are not; of the hour after those that are.
func batches(n int, hit bool) [][]dedup.Claim {
	out := make([][]dedup.Claim, 64)
	r := rand.New(rand.NewPCG(3, 3))
	for i := range out {
		for j := range perOp {
			id := n + i*perOp + j
			if hit {
				id = r.IntN(n)
			}
			out[i] = append(out[i], claimOf(id, t0.Add(23*time.Hour)))
		}
	}
	return out
}

func report(b *testing.B, n int, bytes float64) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/perOp, "ns/id")
	b.ReportMetric(bytes/float64(n), "B/id")
	b.ReportMetric(0, "ns/op")
}

func benchmarkTable(b *testing.B, n int, hit bool) {
	before := heap()
	h := open(b)
	fill(b, h, n)
	bytes := float64(heap() - before)
	in, won := batches(n, hit), make([]bool, perOp)
	i := 0
	for b.Loop() {
		if err := h.Claim(b.Context(), in[i%len(in)], won); err != nil {
			b.Fatal(err)
		}
		if i++; !hit && i%len(in) == 0 { // they are there now
			b.StopTimer()
			h = open(b)
			fill(b, h, n)
			b.StartTimer()
		}
	}
	report(b, n, bytes)
}

func benchmarkMap(b *testing.B, n int, hit bool) {
	before := heap()
	m := map[dedup.ID]int64{}
	for i := range n {
		m[claimOf(i, t0).ID] = int64(i)
	}
	bytes := float64(heap() - before)
	in := batches(n, hit)
	i := 0
	for b.Loop() {
		for _, c := range in[i%len(in)] {
			if _, ok := m[c.ID]; !ok {
				m[c.ID] = 1
			}
		}
		if i++; !hit && i%len(in) == 0 {
			b.StopTimer()
			for _, g := range in {
				for _, c := range g {
					delete(m, c.ID)
				}
			}
			b.StartTimer()
		}
	}
	report(b, n, bytes)
}
