package kafka

// assignBrokers sends each partition to its leader, or to the replica that the leader named.
func (s *Source) assignBrokers(v *view) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.parts {
		if p.lane.gone || p.plan == nil {
			continue
		}
		t := v.topics[p.topic]
		if t == nil || t.id != p.id || int(p.num) >= len(t.parts) {
			p.reroute(-1) // see identify
			continue
		}
		l := t.parts[p.num]
		if l.epoch < p.epoch {
			continue // the broker that told is behind
		}
		if l.epoch > p.epoch {
			p.replica = -1
		}
		p.epoch = l.epoch
		to := l.broker
		if p.replica >= 0 && v.brokers[p.replica] != "" {
			to = p.replica
		}
		if to >= 0 && v.brokers[to] == "" {
			to = -1
		}
		if to != p.broker {
			s.opts.Logger.Debug("partition is read from", "partition", p.name.String(), "broker", to, "epoch", l.epoch)
			p.reroute(to)
		}
	}
	s.manLoops(v)
}

// manLoops makes a loop for each broker that is needed and ends those whose address has changed.
func (s *Source) manLoops(v *view) {
	for _, p := range s.parts {
		addr := v.brokers[p.broker]
		if p.broker < 0 || addr == "" {
			continue
		}
		l := s.loops[p.broker]
		if l != nil && l.addr == addr {
			l.signal()
			continue
		}
		if l != nil {
			l.stop()
		}
		l = newLoop(s, p.broker, addr)
		s.loops[p.broker] = l
		s.tasks.Go(l.run)
	}
}
