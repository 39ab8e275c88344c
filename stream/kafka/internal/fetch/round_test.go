package fetch

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/onceflow/onceflow/stream/kafka/internal/cluster"
	"github.com/onceflow/onceflow/stream/kafka/internal/wire"
)

// A broker may answer in another order than it was asked, and leave partitions out: each answer finds its question.
func TestAnswersFindTheirQuestionsInAnyOrder(t *testing.T) {
	r := New(t.Context(), &Options{Access: &cluster.Access{}, Buffer: 1 << 40})
	l := &loop{r: r, id: 1}
	for i := range 200 {
		ln := &lane{r: r, started: true}
		for k := range 3 {
			p := &part{lane: ln, topic: fmt.Sprint("topic", k), id: [16]byte{byte(k + 1)}, num: int32(i), broker: 1, plan: &plan{phase: following}}
			ln.parts = append(ln.parts, p)
			r.parts = append(r.parts, p)
		}
	}
	var q round
	if !l.take(&q) || len(q.asks) != 600 || len(q.req.Topics) != 3 {
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
