package files

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"testing"
)

func TestChainsKeepTheirRowsAndGiveAllMemoryBack(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	c := &cells{slabs: &sync.Pool{New: newSlab}}
	chains, want := make([]chain, 40), make([][]byte, 40)
	held := int64(0)
	for round := range 3 {
		for range 5000 {
			i := r.IntN(len(chains))
			if r.IntN(100) == 0 {
				held -= c.drop(&chains[i])
				want[i] = nil
			} else {
				row := bytes.Repeat([]byte{byte(r.IntN(256))}, r.IntN(3*cellBytes))
				held += c.add(&chains[i], row)
				want[i] = append(want[i], row...)
			}
		}
		total := 0
		for i := range chains {
			if got := chains[i].bytes(nil); !bytes.Equal(got, want[i]) {
				t.Fatalf("round %d: chain %d has %d bytes, want %d", round, i, len(got), len(want[i]))
			}
			total += len(want[i])
		}
		if held < int64(total) || held > int64(2*total) {
			t.Errorf("round %d: %d bytes are held for rows of %d", round, held, total)
		}
		var done sync.WaitGroup
		shrunk := make([]int64, len(chains))
		for i := range chains {
			done.Go(func() { shrunk[i] = c.drop(&chains[i]) })
			want[i] = nil
		}
		done.Wait()
		for _, n := range shrunk {
			held -= n
		}
		if held != 0 || len(c.taken) != 0 {
			t.Errorf("round %d: %d bytes are held for no rows, %d slabs", round, held, len(c.taken))
		}
	}
}
