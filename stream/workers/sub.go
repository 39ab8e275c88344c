package workers

import (
	"sync"
	"time"

	"github.com/onceflow/onceflow/stream/record"
)

// sub is a sub-partition of a lane. At most one goroutine runs it: see run. Its mu is taken before that of its lane, and before
// that of the pool. No function of the user is called under it.
type sub[In, Out any] struct {
	l       *lane[In, Out]
	id      Subpartition
	runs    func() // run, made once
	touched bool   // used by the lane: it got records in this call

	mu      sync.Mutex
	state   state
	epoch   int // of the run that counts; an earlier one hangs
	closed  bool
	paused  bool
	queue   ring[item[In]]
	desk    desk[In, Out]
	holder  holder[In, Out]
	refusal refusal
	pausing int   // attempts that wait for their next one
	bytes   int64 // of records that are not finished

	failures int64
	done     []result[Out]
	taken    []result[Out] // used by the lane, with the memory of done in turn
	dirty    bool          // done is not empty, and the lane knows
}

type state uint8

const (
	resting state = iota // there is nothing to do
	ready                // the scheduler was given it
	running
)

// result is what became of a record.
type result[Out any] struct {
	item[struct{}] // without its value
	out            []Out
	err            error
}

// refusal is an Accept that said no.
type refusal struct {
	since time.Duration // of the first no; 0 is none
	next  time.Duration // when to ask again
	pause time.Duration
	told  bool
}

const (
	firstAsk = 10 * time.Millisecond
	lastAsk  = time.Second
)

func (r *refusal) no(now time.Duration) {
	if r.pause == 0 {
		r.since = now
	}
	r.pause = min(max(2*r.pause, firstAsk), lastAsk)
	r.next = now + r.pause
}

// again lets the task be asked at once.
func (r *refusal) again() { r.next = 0 }

func newSub[In, Out any](l *lane[In, Out], id Subpartition) *sub[In, Out] {
	s := &sub[In, Out]{l: l, id: id}
	s.runs = s.run
	return s
}

// add puts a record behind the others.
func (s *sub[In, Out]) add(it *item[In]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*s.queue.push() = *it
	s.bytes += it.bytes
}

// work is what a sub-partition could do.
type work uint8

const (
	nothing work = iota
	shut         // close the task
	tick         // Punctuate
	again        // the next attempt at a record
	start        // the next record
)

// work says what to do now. It needs mu.
func (s *sub[In, Out]) work(now time.Duration) (work, *attempt[In, Out]) {
	switch {
	case s.closed && s.holder.task == nil:
		return nothing, nil
	case s.closed:
		return shut, nil
	case s.l.stopped.Load():
		return nothing, nil
	case s.holder.punctuates && now >= s.holder.next:
		return tick, nil
	case s.paused:
		return nothing, nil
	}
	if s.pausing > 0 {
		for _, a := range s.desk.all {
			if a.phase == pausing && now >= a.due {
				return again, a
			}
		}
	}
	if s.queue.n > 0 && s.desk.busy() < s.l.w.opts.InFlight && now >= s.refusal.next {
		return start, nil
	}
	return nothing, nil
}

// wake gives the sub-partition to the scheduler if it rests and has something to do. It needs mu.
func (s *sub[In, Out]) wake(now time.Duration) {
	if s.state != resting {
		return
	}
	if w, _ := s.work(now); w != nothing {
		s.state = ready
		s.l.w.sched.Go(s.runs)
	}
}

// finish makes a result of a record. It needs mu.
func (s *sub[In, Out]) finish(a *attempt[In, Out], err error) {
	n := len(s.done)
	if n == cap(s.done) {
		s.done = append(s.done, result[Out]{})
	}
	s.done = s.done[:n+1]
	r := &s.done[n]
	r.event.Origin, r.event.Time = a.event.Origin, a.event.Time
	r.seq, r.bytes, r.err = a.seq, a.bytes, err
	r.out, a.box.out = a.box.out, r.out[:0] // each place keeps its memory
	if err != nil {
		r.out = r.out[:0]
	}
	s.bytes -= a.bytes
	s.desk.release(a)
	if !s.dirty {
		s.dirty = true
		s.l.finished(s)
	}
}

// takeDone gives the lane the results that have come. They are valid until its next call.
func (s *sub[In, Out]) takeDone() []result[Out] {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken, s.done = s.done, s.taken[:0]
	s.dirty = false
	return s.taken
}

// ring lets time pass: attempts expire, calls that hang are left to themselves, and what was waited for begins. It returns
// when it must be called again; 0 is never.
func (s *sub[In, Out]) ring(now time.Duration) (next time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0
	}
	timeout := s.l.w.opts.Timeout
	for _, a := range s.desk.all {
		if a.phase == working && timeout > 0 && now >= a.since+timeout {
			a.expire()
			s.l.w.counters.timeouts.Add(1)
			s.failed(a, ErrTimeout)
		}
	}
	if s.closed {
		return 0
	}
	if s.holder.calling && timeout > 0 && now >= s.holder.since+2*timeout {
		s.abandon(now)
	}
	if r := &s.refusal; r.pause > 0 && !r.told && now-r.since >= time.Minute {
		r.told = true
		s.l.w.opts.Logger.Warn("a task refuses its next record", "subpartition", s.id.String(), "for", now-r.since, "waiting", s.queue.n)
	}
	s.wake(now)
	return s.next(now)
}

// next is when ring must be called next; 0 is never. It needs mu.
func (s *sub[In, Out]) next(now time.Duration) (next time.Duration) {
	least := func(at time.Duration) {
		if next == 0 || at < next {
			next = max(at, now+1)
		}
	}
	if timeout := s.l.w.opts.Timeout; timeout > 0 {
		for _, a := range s.desk.all {
			if a.phase == working {
				least(a.since + timeout)
			}
		}
		if s.holder.calling {
			least(s.holder.since + 2*timeout)
		}
	}
	if s.state == resting && !s.paused {
		for _, a := range s.desk.all {
			if a.phase == pausing {
				least(a.due)
			}
		}
		if s.queue.n > 0 && s.refusal.pause > 0 && s.desk.busy() < s.l.w.opts.InFlight {
			least(s.refusal.next)
		}
	}
	if s.holder.punctuates && s.state == resting {
		least(s.holder.next)
	}
	return next
}

// look takes up whether the sub-partition is paused.
func (s *sub[In, Out]) look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.l.now()
	s.paused = s.l.w.isPaused(s.id)
	s.wake(now)
	if next := s.next(now); next > 0 {
		s.l.arm(next)
	}
}

// close gives up all that is not finished. The task is closed here, or by the run under way once its call has returned.
func (s *sub[In, Out]) close() error {
	s.mu.Lock()
	s.closed = true
	s.queue = ring[item[In]]{}
	for _, a := range s.desk.all {
		a.box.open = false
	}
	if s.state == running {
		s.l.ending.add()
		s.mu.Unlock()
		return nil
	}
	task := s.holder.task
	s.state, s.holder = resting, holder[In, Out]{}
	s.mu.Unlock()
	return closeTask(task)
}

// status tells how the sub-partition is doing.
func (s *sub[In, Out]) status() SubpartitionStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.l.now()
	st := SubpartitionStatus{
		Subpartition: s.id, Started: s.desk.busy(), Bytes: s.bytes, Failures: s.failures, Paused: s.paused,
	}
	st.Depth = s.queue.n + st.Started
	for _, a := range s.desk.all {
		if a.phase != free {
			st.Oldest = max(st.Oldest, now-a.arrived)
		}
	}
	if s.queue.n > 0 {
		st.Oldest = max(st.Oldest, now-s.queue.first().arrived)
	}
	if s.refusal.pause > 0 {
		st.Refused = now - s.refusal.since
	}
	return st
}

// places adds where the unfinished records are from.
func (s *sub[In, Out]) places(add func(record.Origin, int)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.queue.n {
		add(s.queue.at(i).event.Origin, s.id.Index)
	}
	for _, a := range s.desk.all {
		if a.phase != free {
			add(a.event.Origin, s.id.Index)
		}
	}
}
