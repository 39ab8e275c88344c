package stream

import (
	"testing"

	"github.com/onceflow/onceflow/stream/record"
)

func TestTheHotPathDoesNotAllocate(t *testing.T) {
	const n = 1000
	for name, build := range map[string]func(Pipe[record.Record]) Pipe[hit]{
		"stateless": func(p Pipe[record.Record]) Pipe[hit] {
			h := Via(decodeBench(p), Filter("kind", func(h *hit) bool { return h.kind&7 != 0 }))
			return Via(h, Map(func(h *hit) (hit, error) { h.id++; return *h, nil }))
		},
		"holding": func(p Pipe[record.Record]) Pipe[hit] { return Via[hit, hit](decodeBench(p), holdAll{}) },
	} {
		step, c := benchLane(t, n, build)
		for range 50 {
			step() // buffers grow to their size
		}
		if got := testing.AllocsPerRun(50, step); got > 1 {
			t.Errorf("%s: %v allocations for %d events, want none", name, got, n)
		}
		if name == "holding" && c.Unfinished() < n {
			t.Errorf("%d records are pending, want a second of them", c.Unfinished())
		}
	}
}
