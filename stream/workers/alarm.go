package workers

import (
	"sync"
	"sync/atomic"
	"time"
)

// alarm calls a lane at the next moment at which something is due. It is safe for concurrent use; its lock is taken behind that
// of a sub-partition.
type alarm struct {
	sched Scheduler
	ring  func()       // what is called, made once
	due   atomic.Int64 // 0 is none

	mu    sync.Mutex
	stop  func() bool
	ended bool
}

// arm has ring called at a time, or before.
func (a *alarm) arm(at time.Duration) {
	if due := a.due.Load(); due != 0 && due <= int64(at) {
		return // nearly always: it costs no lock for each record
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if due := a.due.Load(); a.ended || due != 0 && due <= int64(at) {
		return
	}
	if a.stop != nil {
		a.stop()
	}
	a.due.Store(max(int64(at), 1))
	a.stop = a.sched.After(at-a.sched.Now(), a.ring)
}

// rang says that ring was called.
func (a *alarm) rang() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.due.Store(0)
	a.stop = nil
}

func (a *alarm) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = true
	if a.stop != nil {
		a.stop()
	}
}

// ending counts the calls that a lane's Close waits for.
type ending struct {
	calls atomic.Int64
	none  chan struct{}
}

// endWait is how long. A task that heeds its context returns at once. One that does not must not hold up a rebalance.
const endWait = time.Second

func (e *ending) begin() {
	e.none = make(chan struct{})
	e.calls.Store(1)
}

func (e *ending) add() { e.calls.Add(1) }

func (e *ending) done() {
	if e.calls.Add(-1) == 0 {
		close(e.none)
	}
}

// wait waits until all are done, unless that was in vain before.
func (e *ending) wait(stubborn *atomic.Bool) {
	if e.calls.Add(-1) == 0 || stubborn.Load() {
		return
	}
	t := time.NewTimer(endWait)
	defer t.Stop()
	select {
	case <-e.none:
	case <-t.C:
		stubborn.Store(true)
	}
}
