package kafka

import (
	"fmt"
	"time"

	"github.com/IBM/sarama"

	"github.com/onceflow/onceflow/stream/kafka/internal/wire"
)

// apply takes over the answers of a round: where each partition goes on, what hinders it. What is to be decoded is left
// in the asks.
func (s *Source) apply(l *loop, r *round, byID bool) {
	heads := make([]scanned, 0, 64)
	for i := range r.resp.Parts { // outside the lock, since it reads all the data
		p := &r.resp.Parts[i]
		var h scanned
		if a := r.find(p, byID, i); a != nil && p.Err == 0 {
			h = scan(p.Data, a.from)
		}
		heads = append(heads, h)
	}
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range r.resp.Parts {
		if a := r.find(&r.resp.Parts[i], byID, i); a != nil && a.current() && a.part.asked {
			a.part.asked = false
			s.answered(l, a, &r.resp.Parts[i], heads[i], now)
		}
	}
	for i := range r.asks {
		a := &r.asks[i]
		if a.data == nil {
			s.giveBack(a)
		}
		if a.current() && a.data == nil {
			a.part.asked = false // the broker may leave a partition out
		}
	}
}

// answered takes over the answer for one partition.
func (s *Source) answered(l *loop, a *ask, r *wire.Part, h scanned, now time.Time) {
	p := a.part
	if r.Err != 0 {
		s.refused(p, sarama.KError(r.Err))
		return
	}
	p.highWatermark, p.lastStable = r.HighWatermark, r.LastStable
	switch {
	case r.Diverged:
		s.truncated(p, r.DivergedEnd)
		return
	case r.Preferred >= 0 && r.Preferred != l.id:
		p.replica = r.Preferred
		p.reroute(-1)
		s.wakeRouter()
		return
	}
	if h.want > 0 {
		p.want = h.want // the next batch is larger than what we asked for
	}
	if h.whole == 0 {
		if r.LastStable <= a.from { // nothing to give is a good answer if there is nothing
			p.good, p.bad = now, nil
			s.openTransaction(p, r, now)
		}
		return
	}
	p.good, p.bad, p.open = now, nil, time.Time{}
	a.data, a.aborted, a.next = r.Data[:h.whole], r.Aborted, h.next
	p.plan.next = p.plan.skipTo(h.next)
	if p.plan.lastEpoch = h.epoch; p.plan.next != h.next {
		p.plan.lastEpoch = -1
	}
	if p.plan.next >= p.plan.stop {
		p.plan.fetched = true
	}
	p.out++
	p.working = l
}

// openTransaction notes since when nothing but an open transaction follows.
func (s *Source) openTransaction(p *part, r *wire.Part, now time.Time) {
	switch {
	case r.LastStable >= r.HighWatermark:
		p.open = time.Time{}
	case p.open.IsZero():
		p.open = now
	}
}

// refused handles an error for one partition.
func (s *Source) refused(p *part, err sarama.KError) {
	p.bad = err
	switch err {
	case sarama.ErrOffsetOutOfRange:
		p.look = true
	case sarama.ErrTopicAuthorizationFailed:
		s.failLocked(fmt.Errorf("kafka: %v: %w", p.name, err))
	}
	p.replica = -1
	p.reroute(-1)
	s.wakeRouter()
}

// truncated handles that the leader's log and what we read agree only up to an offset.
func (s *Source) truncated(p *part, end int64) {
	k := p.plan
	if k.phase != following || k.consumed > end {
		s.failLocked(p.lost(end, max(k.consumed, k.next), "the log was truncated"))
		return
	}
	k.next, k.lastEpoch = end, -1
	p.route++
}
