package ledger

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestRunsComeBack(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	for n := range 3000 {
		var numbers []uint32
		at, dense := uint64(0), r.Float64()
		for range r.IntN(1 << r.IntN(12)) {
			at += 1 + uint64(math.Min(r.ExpFloat64()*dense*dense*math.Exp(r.Float64()*10*dense), 1<<31))
			if at > math.MaxUint32 {
				break
			}
			numbers = append(numbers, uint32(at-1))
		}
		code := encodeRuns(numbers)
		got, ok := decodeRuns(nil, code, len(numbers))
		if !ok || !slices.Equal(got, numbers) {
			t.Fatalf("%d: %d numbers do not come back from %d bytes", n, len(numbers), len(code))
		}
	}
	for _, numbers := range [][]uint32{nil, {0}, {math.MaxUint32 - 1}, {0, math.MaxUint32 - 1}, {1, 2, 3}} {
		if got, ok := decodeRuns(nil, encodeRuns(numbers), len(numbers)); !ok || !slices.Equal(got, numbers) {
			t.Errorf("%v comes back as %v", numbers, got)
		}
	}
}

func FuzzDecodeRuns(f *testing.F) {
	f.Add([]byte{1, 2, 3}, uint16(10))
	f.Fuzz(func(t *testing.T, in []byte, count uint16) {
		numbers, ok := decodeRuns(nil, in, int(count))
		if !ok {
			return
		}
		if len(numbers) != int(count) || !slices.IsSorted(numbers) {
			t.Fatalf("%d numbers, want %d in order", len(numbers), count)
		}
		again, ok := decodeRuns(nil, encodeRuns(numbers), int(count))
		if !ok || !slices.Equal(again, numbers) {
			t.Fatal("they do not come back")
		}
	})
}

// A pending set of a join costs about what its records have to say: one of two that waits at random a bit each, one of ten
// half of that, and a run nothing.
func TestRunsCostWhatTheySay(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 8))
	for _, c := range []struct {
		p     float64
		bytes int // of 100,000 numbers
	}{{0.5, 12_800}, {0.1, 6_100}, {0.9, 6_100}, {1, 16}, {0.001, 200}} {
		var numbers []uint32
		for i := range uint32(100_000) {
			if r.Float64() < c.p {
				numbers = append(numbers, i)
			}
		}
		if n := len(encodeRuns(numbers)); n > c.bytes {
			t.Errorf("where a share of %v is pending, 100,000 records take %d bytes, want at most %d", c.p, n, c.bytes)
		}
	}
}
