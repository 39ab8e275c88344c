package kafka

import "time"

// lookUp finds out where the partitions go on that do not know it.
func (s *Source) lookUp(v *view) {
	type query struct {
		part *part
		plan *plan
		addr string
		from time.Time
		next int64
	}
	var qs []query
	s.mu.Lock()
	for _, p := range s.parts {
		if t := v.topics[p.topic]; p.look && p.active() && t != nil && t.id == p.id && int(p.num) < len(t.parts) {
			if addr := v.brokers[t.parts[p.num].broker]; addr != "" {
				qs = append(qs, query{p, p.plan, addr, p.plan.warmFrom, p.plan.next})
			}
		}
	}
	s.mu.Unlock()
	for _, q := range qs {
		var first, last, start int64
		ask := func(at int64, to *int64) func() error {
			return func() (err error) {
				*to, err = s.cluster.offset(s.ctx, q.addr, q.part.topic, q.part.num, at)
				return err
			}
		}
		steps := []func() error{ask(earliest, &first), ask(latest, &last)}
		if q.next < 0 && !q.from.IsZero() {
			steps = append(steps, ask(max(0, q.from.UnixMilli()), &start))
		}
		err := inOrder(steps)
		s.mu.Lock()
		if q.part.plan == q.plan && q.part.look {
			if err != nil {
				q.part.bad = err
			} else {
				s.found(q.part, first, last, start)
			}
		}
		s.mu.Unlock()
	}
}

func inOrder(steps []func() error) error {
	for _, f := range steps {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

// found goes on in a partition whose log now begins at first and ends before last; start is where a warm-up begins.
func (s *Source) found(p *part, first, last, start int64) {
	k := p.plan
	switch {
	case k.next < 0 && k.phase == warming:
		k.next = max(first, start)
		if err := s.tooShort(p, first); err != nil {
			s.failLocked(err)
			return
		}
		if k.next >= k.stop {
			p.look, k.done = false, true
			s.moveOn(p.lane)
			return
		}
	case k.next < 0, k.fresh() && k.next < first:
		k.next = first
	case k.next < first:
		s.failLocked(p.lost(k.next, first, "the log begins at %d now (retention, or records were deleted)", first))
		return
	case k.next > last:
		if p.beyond++; p.beyond < 4 { // a new leader may be behind for a moment
			p.reroute(-1)
			return
		}
		if k.consumed > last {
			s.failLocked(p.lost(last, k.consumed, "the log ends at %d now (it was truncated)", last))
			return
		}
		k.next = last
	}
	// The offset is there. If the broker refused it all the same, it could not place the epoch of the batch before it.
	k.lastEpoch = -1
	p.look, p.beyond = false, 0
	s.wakeLoops()
}

// tooShort tells whether retention may have taken records that a warm-up needs, in a log that begins at first.
func (s *Source) tooShort(p *part, first int64) error {
	keeps := s.keeps[p.topic]
	if first == 0 || p.plan.next > first || keeps <= 0 || time.Since(p.plan.warmFrom) < keeps {
		return nil
	}
	return p.lost(0, first, "records since %s are needed to warm up, and the topic keeps them for %s",
		p.plan.warmFrom.UTC().Format(time.RFC3339), keeps)
}
