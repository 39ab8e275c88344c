package stream

// pause stops a lane's delivery until its queue is half empty.
func (e *engine[T]) pause(l *lane[T]) {
	if l.paused.Swap(true) {
		return
	}
	e.src.Pause(l.assignment.Lane, true)
	if l.queued.Load() <= e.laneBytes.Load()/2 { // drained before paused was set: nobody else resumes it
		e.resume(l)
	}
}

// resume ends pause, unless all lanes have to wait.
func (e *engine[T]) resume(l *lane[T]) {
	l.asked.Store(false)
	if e.polling[l.assignment.Lane] != l || e.choked.Load() || !l.paused.Swap(false) {
		return
	}
	e.src.Pause(l.assignment.Lane, false)
}

// choke pauses all lanes: memory is over its limit. A commit frees the output's buffers, and processing the queues.
func (e *engine[T]) choke() {
	e.choked.Store(true)
	for _, l := range e.polling {
		if !l.paused.Swap(true) {
			e.src.Pause(l.assignment.Lane, true)
		}
	}
	e.ask("memory")
}

// unchoke ends choke once there is room. After a commit, open is what the next transaction has collected already; -1
// says nothing of it. If neither another commit nor the workers have anything left to free, what is in use are pending
// records: then reading must go on, since only newer records let go of them, and the limit is raised.
func (e *engine[T]) unchoke(open int64) {
	used, limit := e.budget.Used(), e.ceiling.Load()
	if used < e.opts.Memory/4*3 && limit > e.opts.Memory {
		e.ceiling.Store(e.opts.Memory)
	}
	if !e.choked.Load() {
		return
	}
	switch {
	case used <= limit/8*7:
	case open > 0:
		e.ask("memory")
		return
	case open == 0 && e.queued.Load() == 0:
		e.ceiling.Store(used + e.opts.Memory/8)
		e.opts.Logger.Warn("pending records need more than Options.Memory", "bytes", used, "limit", e.opts.Memory)
	default:
		return
	}
	e.choked.Store(false)
	for _, l := range e.polling {
		if l.paused.Load() && l.queued.Load() <= e.laneBytes.Load()/2 {
			e.resume(l)
		}
	}
}

// charge counts bytes of memory, and returns whether there are too many.
func (e *engine[T]) charge(n int64) (over bool) {
	if n != 0 {
		e.budget.Add(n)
	}
	return e.budget.Used() > e.ceiling.Load()
}
