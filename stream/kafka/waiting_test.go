package kafka

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/onceflow/onceflow/stream/kafka/internal/wire"
)

// Deliveries come and go in any order, of lanes that pause and end: those that wait stay in order.
func TestWaitingDeliveriesStayInOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	var w waiting
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
			got := w.ready()
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

// A broker may answer in another order than it was asked, and leave partitions out: each answer finds its question.
func TestAnswersFindTheirQuestionsInAnyOrder(t *testing.T) {
	s := &Source{opts: &Options{Buffer: 1 << 40}}
	l := &loop{src: s, id: 1}
	for i := range 200 {
		ln := &lane{started: true}
		for k := range 3 {
			p := &part{lane: ln, topic: fmt.Sprint("topic", k), id: [16]byte{byte(k + 1)}, num: int32(i), broker: 1, plan: &plan{phase: following}}
			ln.parts = append(ln.parts, p)
			s.parts = append(s.parts, p)
		}
	}
	var q round
	if !s.take(l, &q) || len(q.asks) != 600 || len(q.req.Topics) != 3 {
		t.Fatalf("%d questions for %d topics, want 600 for 3", len(q.asks), len(q.req.Topics))
	}
	i := 0
	for _, topic := range q.req.Topics {
		for _, p := range topic.Parts {
			if a := q.asks[i]; a.part.id != topic.ID || a.part.num != p.ID {
				t.Fatalf("question %d is not in the order of the request", i)
			}
			i++
		}
	}
	for _, byID := range []bool{true, false} {
		clear(q.index)
		for n, i := range rand.New(rand.NewPCG(1, 1)).Perm(600) {
			p := q.asks[i].part
			if a := q.find(&wire.Part{Name: []byte(p.topic), TopicID: p.id, ID: p.num}, byID, n); a != &q.asks[i] {
				t.Fatalf("the answer for %s/%d finds another question", p.topic, p.num)
			}
		}
		if a := q.find(&wire.Part{Name: []byte("topic9"), TopicID: [16]byte{9}, ID: 1}, byID, 0); a != nil {
			t.Errorf("an answer that nobody asked for finds the question of %s/%d", a.part.topic, a.part.num)
		}
	}
}
