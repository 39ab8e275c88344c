package kafka

import (
	"slices"
	"time"

	"github.com/onceflow/onceflow/stream/kafka/internal/wire"
)

// round is a request and the answer to it. Its memory is used again.
type round struct {
	asks []ask
	req  wire.Request
	resp wire.Response

	topics map[[16]byte]int // where each topic is in the request
	index  map[partOf]int32 // where the ask for each partition is; empty until find needs it
}

// partOf is a partition as an answer names it: by the topic's ID or, from an old broker, by its name.
type partOf struct {
	topic string
	num   int32
}

// ask is the part of a round for one partition. An answer counts only if partition, plan and route still agree.
type ask struct {
	part  *part
	plan  *plan
	route uint64
	from  int64
	topic int   // where the part's topic is in the request
	est   int64 // bytes reserved for the answer; 0 once they are given back

	// Of an answer that has something to decode; data is nil without.
	data    []byte
	aborted []wire.Aborted
	next    int64 // the offset after the data
}

// ahead is how many deliveries of a partition may wait when more is asked for.
const ahead = 2

// wants reports whether l should ask for records of p now, and whether only room is missing.
func (s *Source) wants(l *loop, p *part) (ask, noRoom bool) {
	if p.broker != l.id || p.asked || p.look || !p.active() || p.plan.fetched || p.lane.paused || (p.working != nil && p.working != l) {
		return false, false
	}
	busy := s.used + s.reserved
	if p.out >= ahead || (busy > 0 && busy+p.size > s.opts.Buffer) {
		return false, true
	}
	return true, false
}

// wanted reports whether l has something to ask for.
func (s *Source) wanted(l *loop) bool {
	for _, p := range s.parts {
		if ask, _ := s.wants(l, p); ask {
			return true
		}
	}
	return s.shed(l)
}

// take fills r with a request for all partitions that l should ask for, and reports whether there are any.
func (s *Source) take(l *loop, r *round) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.asks = r.asks[:0]
	clear(r.topics)
	clear(r.index)
	r.req = wire.Request{
		MaxWait: idle, MinBytes: 1, MaxBytes: maxAnswer, Committed: true, Rack: s.opts.Rack, Topics: r.req.Topics[:0],
	}
	n := len(s.parts)
	l.turn++
	for i := range n {
		p := s.parts[(i+l.turn)%n]
		ok, noRoom := s.wants(l, p)
		if noRoom {
			r.req.MaxWait = crowded
			p.good = time.Now() // the broker is not to blame
		}
		if !ok {
			continue
		}
		p.asked = true
		s.reserved += p.size
		r.asks = append(r.asks, ask{part: p, plan: p.plan, route: p.route, from: p.plan.next, topic: r.add(p), est: p.size})
	}
	if len(r.req.Topics) > 1 { // into the order of the request, which the answer most likely has
		slices.SortStableFunc(r.asks, func(a, b ask) int { return a.topic - b.topic })
	}
	return len(r.asks) > 0
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

// find returns the ask that p answers, or nil. hint is where to look first: a broker answers in the order of the request,
// unless it has errors to tell.
func (r *round) find(p *wire.Part, byID bool, hint int) *ask {
	if hint < len(r.asks) {
		a := &r.asks[hint]
		if a.part.num == p.ID && (byID && a.part.id == p.TopicID || !byID && a.part.topic == string(p.Name)) {
			return a
		}
	}
	if len(r.index) == 0 {
		if r.index == nil {
			r.index = make(map[partOf]int32, len(r.asks))
		}
		for i := range r.asks {
			a := r.asks[i].part
			r.index[nameOf(a.id, []byte(a.topic), a.num, byID)] = int32(i)
		}
	}
	if i, ok := r.index[nameOf(p.TopicID, p.Name, p.ID, byID)]; ok {
		return &r.asks[i]
	}
	return nil
}

func nameOf(id [16]byte, topic []byte, num int32, byID bool) partOf {
	if byID {
		topic = id[:]
	}
	return partOf{string(topic), num}
}

// abandon gives up a round that will not be answered.
func (s *Source) abandon(r *round) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range r.asks {
		a := &r.asks[i]
		s.giveBack(a)
		if a.current() {
			a.part.asked = false
		}
	}
}

// current reports whether the answer to a still counts.
func (a *ask) current() bool {
	return a.part.plan == a.plan && a.part.route == a.route && !a.part.lane.gone
}

// giveBack ends the reservation of a.
func (s *Source) giveBack(a *ask) {
	s.reserved -= a.est
	a.est = 0
}
