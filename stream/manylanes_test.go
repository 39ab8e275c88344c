package stream

import (
	"runtime"
	"testing"

	"github.com/onceflow/onceflow/stream/driver"
	core "github.com/onceflow/onceflow/stream/internal/lane"
)

// To give lanes up once copied the list of all lanes for each of them: 10,000 took 800 MB.
func TestLanesThatEndTogetherAreForgottenInOnePass(t *testing.T) {
	allocated := func(n int) uint64 {
		src := newLoopSource(n, 1, 0)
		o, err := (&Options{Parallel: 2}).filled()
		if err != nil {
			t.Fatal(err)
		}
		e := newEngine(decodeBench(From(src)), nullOutput{}, o)
		for _, a := range src.lanes {
			w := e.workers[len(e.lanes.all)%2]
			l := &lane[hit]{assignment: a, w: w, core: new(core.Lane)}
			w.lanes = append(w.lanes, l)
			e.lanes.all[a.Lane] = l
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r := &rebalance[hit]{batch: &driver.Batch{Revoked: []string{src.lanes[1].Lane}}}
		next := e.lanes.close(r)
		runtime.ReadMemStats(&after)
		if len(e.lanes.all) != 0 || len(next) != n-1 || len(*e.status.lanes.Load()) != 0 {
			t.Errorf("%d lanes are left, %d go on and the status has %d, want 0, %d and 0", len(e.lanes.all), len(next), len(*e.status.lanes.Load()), n-1)
		}
		return after.TotalAlloc - before.TotalAlloc
	}
	if few, many := allocated(500), allocated(2000); many > 8*few {
		t.Errorf("%d bytes for 500 lanes and %d for 2,000: it grows with the square", few, many)
	}
}
