package fetch

import (
	"time"

	"github.com/onceflow/onceflow/stream/kafka/internal/wire"
)

// round is a request and the answer to it. Its memory is used again.
type round struct {
	asks []ask
	req  wire.Request
	resp wire.Response

	topics map[[16]byte]int      // where each topic is in the request
	index  map[wire.PartOf]int32 // where the ask for each partition is; empty until find needs it
}

// ask is a round's request for one partition. Its answer counts only while partition, plan and route are still the same.
type ask struct {
	part  *part
	plan  *plan
	route uint64
	from  int64
	sent  time.Time
	topic int   // where the part's topic is in the request
	est   int64 // bytes reserved for the answer; 0 once they are given back

	// Of an answer that has something to decode; data is nil without.
	data    []byte
	aborted []wire.Aborted
}

// add puts p into the request, and returns where its topic is.
func (r *round) add(p *part) int {
	q := wire.PartRequest{ID: p.num, Epoch: p.epoch, Offset: p.plan.next, LastEpoch: p.plan.lastEpoch, MaxBytes: p.want}
	n, known := r.topics[p.id]
	if known {
		t := &r.req.Topics[n]
		t.Parts = append(t.Parts, q)
		return n
	}
	if n = len(r.req.Topics); n < cap(r.req.Topics) { // with the memory it had before
		r.req.Topics = r.req.Topics[:n+1]
		r.req.Topics[n].Parts = r.req.Topics[n].Parts[:0]
	} else {
		r.req.Topics = append(r.req.Topics, wire.Topic{})
	}
	t := &r.req.Topics[n]
	t.Name, t.ID, t.Parts = p.topic, p.id, append(t.Parts, q)
	if r.topics == nil {
		r.topics = map[[16]byte]int{}
	}
	r.topics[p.id] = n
	return n
}

// find returns the ask that p answers, or nil. hint is where to look first, since a broker answers in the order of the
// request unless it reports errors.
func (r *round) find(p *wire.Part, byID bool, hint int) *ask {
	if hint < len(r.asks) {
		a := &r.asks[hint]
		if a.part.num == p.ID && (byID && a.part.id == p.TopicID || !byID && a.part.topic == string(p.Name)) {
			return a
		}
	}
	if len(r.index) == 0 {
		if r.index == nil {
			r.index = make(map[wire.PartOf]int32, len(r.asks))
		}
		for i := range r.asks {
			a := r.asks[i].part
			r.index[wire.Of(a.id, []byte(a.topic), a.num, byID)] = int32(i)
		}
	}
	if i, ok := r.index[wire.Of(p.TopicID, p.Name, p.ID, byID)]; ok {
		return &r.asks[i]
	}
	return nil
}

// current reports whether the answer to a still counts.
func (a *ask) current() bool {
	return a.part.plan == a.plan && a.part.route == a.route && !a.part.lane.gone
}
