package fetch

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// Deliveries come and go in any order, of lanes that pause and end: those that wait stay in order.
func TestWaitingDeliveriesStayInOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	w := queue{ready: make(chan struct{}, 1)}
	var want []*delivery
	lanes := []*lane{{name: "a"}, {name: "b"}, {name: "c", paused: true}}
	for step := range 20_000 {
		switch l := lanes[r.IntN(len(lanes))]; r.IntN(8) {
		case 0, 1, 2, 3:
			d := &delivery{lane: l}
			w.add(d)
			want = append(want, d)
		case 4:
			l.paused = !l.paused
		case 5:
			if len(want) > 100 { // a lane ends
				for len(l.waiting) > 0 {
					w.remove(l.waiting[0])
				}
				want = slices.DeleteFunc(want, func(d *delivery) bool { return d.lane == l })
			}
		default:
			i := slices.IndexFunc(want, func(d *delivery) bool { return !d.lane.paused })
			got := w.first()
			if i < 0 {
				if got != nil {
					t.Fatalf("step %d: a delivery of a lane that is paused", step)
				}
				continue
			}
			if got != want[i] {
				t.Fatalf("step %d: not the first that can go", step)
			}
			w.remove(got)
			want = slices.Delete(want, i, i+1)
		}
		if w.n != len(want) || !slices.Equal(w.all(), want) {
			t.Fatalf("step %d: %d wait, want %d", step, w.n, len(want))
		}
		if len(w.list) > 2*len(want)+64 {
			t.Fatalf("step %d: %d places for %d", step, len(w.list), len(want))
		}
	}
}
