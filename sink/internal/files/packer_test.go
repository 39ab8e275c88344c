package files_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/onceflow/onceflow/sink/codec"
	"github.com/onceflow/onceflow/sink/internal/files"
	"github.com/onceflow/onceflow/stream/record"
)

// Rows of 15,000 keys once filled the whole budget before the first pack was written, in slices that were half empty and left as
// much garbage again: a job with a budget of 128 MiB took 545.
func TestRowsForPacksTakeAPartOfTheBudget(t *testing.T) {
	const limit = 32 << 20
	f := flow("rows")
	f.Codec, f.Merge = codec.Zstd, true
	f.Keys = []files.Key[string]{{Name: "k", Value: func(s *string) string { return (*s)[:5] }}}
	d, budget, set, w := open(limit, f)
	d.forgets = true
	heap := func() int64 {
		runtime.GC() // and again, to empty pools
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	evs, fates := make([]record.Event[string], 1000), make([]record.Fate, 1000)
	most := int64(0)
	written, pad := 0, fmt.Sprintf("%0480d", 7)
	for i := range 120 { // 60 MB
		for k := range evs {
			evs[k] = record.Event[string]{Value: fmt.Sprintf("%05d", (i*len(evs)+k*7)%15000) + pad, Time: noon}
		}
		if bad, err := w.Write(t.Context(), i%2, noon.Unix(), evs, fates); err != nil || len(bad) > 0 {
			t.Fatal(bad, err)
		}
		written += len(evs)
		most = max(most, budget.Used())
		if i%40 == 39 {
			if is, used := heap()-before, budget.Used(); is > used+4<<20 {
				t.Errorf("%d bytes are in memory after %d rows, %d are counted", is, written, used)
			}
		}
	}
	if most > limit/2 {
		t.Errorf("%d bytes of a budget of %d were used", most, limit)
	}
	list, err := set.Finish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rows, bytes := int64(0), int64(0)
	for i := range list {
		rows += list[i].Rows
		bytes += list[i].Length
	}
	if rows != int64(written) || len(list) > 100 {
		t.Errorf("%d packs of %d bytes with %d rows were made, want at most 100 with %d", len(list), bytes, rows, written)
	}
	w.Close()
	if used := budget.Used(); used != 0 {
		t.Errorf("%d bytes are counted at the end", used)
	}
}
