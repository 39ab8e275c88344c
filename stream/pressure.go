package stream

// pause stops a lane's delivery until its queue is half empty.
func (p *poller[T]) pause(l *lane[T]) {
	if l.paused.Swap(true) {
		return
	}
	p.src.Pause(l.assignment.Lane, true)
	if l.queued.Load() <= p.memory.share.Load()/2 { // drained before paused was set: nobody else resumes it
		p.resume(l)
	}
}

// resume ends pause, unless all lanes have to wait.
func (p *poller[T]) resume(l *lane[T]) {
	l.asked.Store(false)
	if p.lanes[l.assignment.Lane] != l || p.memory.choked.Load() || !l.paused.Swap(false) {
		return
	}
	p.src.Pause(l.assignment.Lane, false)
}

// choke pauses all lanes: memory is over its limit. A commit frees the output's buffers, and processing the queues.
func (p *poller[T]) choke() {
	p.memory.choked.Store(true)
	for _, l := range p.lanes {
		if !l.paused.Swap(true) {
			p.src.Pause(l.assignment.Lane, true)
		}
	}
	p.ask("memory")
}

// unchoke ends choke once there is room. After a commit, open is what the next transaction has collected already; -1
// says nothing of it. If neither another commit nor the workers have anything left to free, what is in use are pending
// records: then reading must go on, since only newer records let go of them, and the limit is raised.
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
