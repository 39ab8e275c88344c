package kafka

import (
	"time"

	"github.com/onceflow/onceflow/stream/kafka/internal/wire"
)

// round is a request and the answer to it. Its memory is used again.
type round struct {
	asks []ask
	req  wire.Request
	resp wire.Response
}

// ask is the part of a round for one partition. An answer counts only if partition, plan and route still agree.
type ask struct {
	part  *part
	plan  *plan
	route uint64
	from  int64
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
		r.asks = append(r.asks, ask{part: p, plan: p.plan, route: p.route, from: p.plan.next, est: p.size})
		r.add(p)
	}
	return len(r.asks) > 0
}

// add puts p into the request.
func (r *round) add(p *part) {
	q := wire.PartRequest{ID: p.num, Epoch: p.epoch, Offset: p.plan.next, LastEpoch: p.plan.lastEpoch, MaxBytes: p.want}
	for i := range r.req.Topics {
		if t := &r.req.Topics[i]; t.ID == p.id {
			t.Parts = append(t.Parts, q)
			return
		}
	}
	if n := len(r.req.Topics); n < cap(r.req.Topics) { // with the memory it had before
		r.req.Topics = r.req.Topics[:n+1]
		r.req.Topics[n].Parts = r.req.Topics[n].Parts[:0]
	} else {
		r.req.Topics = append(r.req.Topics, wire.Topic{})
	}
	t := &r.req.Topics[len(r.req.Topics)-1]
	t.Name, t.ID, t.Parts = p.topic, p.id, append(t.Parts, q)
}

// find returns the ask that p answers, or nil. hint is where to look first.
func (r *round) find(p *wire.Part, byID bool, hint int) *ask {
	for i := range r.asks {
		a := &r.asks[(hint+i)%len(r.asks)]
		if a.part.num == p.ID && (byID && a.part.id == p.TopicID || !byID && a.part.topic == string(p.Name)) {
			return a
		}
	}
	return nil
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
