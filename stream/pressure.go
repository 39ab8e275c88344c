package stream

// pause stops a lane's delivery until its queue is half empty.
func (p *poller[T]) pause(l *lane[T]) {
	if l.paused.Swap(true) {
		return
	}
	p.src.Pause(l.assignment.Lane, true)
	if !l.full.Load() && l.queued.Load() <= p.memory.share.Load()/2 { // the worker drained it before it saw paused, so it will not resume it
		p.resume(l)
	}
}

// filled pauses a lane that a stage has enough of, or resumes it.
func (p *poller[T]) filled(l *lane[T]) {
	if p.lanes[l.assignment.Lane] != l {
		return
	}
	if l.full.Load() {
		p.pause(l)
	} else if l.paused.Load() && l.queued.Load() <= p.memory.share.Load() {
		p.resume(l)
	}
}

// resume ends a pause, unless choke has paused all lanes or a stage of the lane is full.
func (p *poller[T]) resume(l *lane[T]) {
	l.asked.Store(false)
	if p.lanes[l.assignment.Lane] != l || p.memory.choked.Load() || l.full.Load() || !l.paused.Swap(false) {
		return
	}
	p.src.Pause(l.assignment.Lane, false)
}

// choke pauses all lanes because memory is over its limit. A commit frees the output's buffers, workers free the queues.
func (p *poller[T]) choke() {
	p.memory.choked.Store(true)
	for _, l := range p.lanes {
		if !l.paused.Swap(true) {
			p.src.Pause(l.assignment.Lane, true)
		}
	}
	p.ask("memory")
}

// unchoke ends choke once there is room. open is how many bytes the open transaction has collected; -1 is unknown. If
// neither a commit nor the workers can free more, pending records fill the memory. Then unchoke raises the limit, since
// only newer records release pending ones and reading must go on.
func (p *poller[T]) unchoke(open int64) {
	m := p.memory
	used := m.budget.Used()
	if used < m.limit/4*3 && m.ceiling.Load() > m.limit {
		m.ceiling.Store(m.limit)
	}
	if !m.choked.Load() {
		return
	}
	switch {
	case m.roomy():
	case open > 0:
		p.ask("memory")
		return
	case open == 0 && m.queued.Load() == 0:
		m.ceiling.Store(used + m.limit/8)
		p.log.Warn("pending records need more than Options.Memory", "bytes", used, "limit", m.limit)
	default:
		return
	}
	m.choked.Store(false)
	for _, l := range p.lanes {
		if l.paused.Load() && l.queued.Load() <= m.share.Load()/2 {
			p.resume(l)
		}
	}
}
