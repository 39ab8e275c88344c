package workers

import (
	"sync"
	"time"
)

// Scheduler decides when and where tasks are called. Its methods must be safe for concurrent use, and must not call what they
// are given before they return.
type Scheduler interface {
	// Go calls run soon, after what it was given before.
	Go(run func())

	// Now is the time since some moment. It never goes back.
	Now() time.Duration

	// After calls ring once, after d. stop prevents that if it is not too late.
	After(d time.Duration, ring func()) (stop func() bool)

	// Spare says that n more calls do not come back, so that others can take their places. Negative: they did come back.
	Spare(n int)
}

// pool is a Scheduler with at most so many goroutines. They begin when they are needed, and end behind the last lane.
type pool struct {
	began time.Time

	mu    sync.Mutex
	more  *sync.Cond
	ready ring[func()]
	live  int // goroutines
	idle  int // of them, that wait and were not woken
	most  int
	lanes int
}

func newPool(most int) *pool {
	p := &pool{began: time.Now(), most: most}
	p.more = sync.NewCond(&p.mu)
	return p
}

func (p *pool) Now() time.Duration { return time.Since(p.began) }

func (p *pool) After(d time.Duration, ring func()) (stop func() bool) {
	return time.AfterFunc(d, ring).Stop
}

func (p *pool) Go(run func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*p.ready.push() = run
	p.call()
}

// call finds somebody for what is ready. It needs mu.
func (p *pool) call() {
	switch {
	case p.idle > 0:
		p.idle--
		p.more.Signal()
	case p.live < p.most:
		p.live++
		go p.work()
	}
}

func (p *pool) Spare(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.most += n
	if p.ready.n > 0 {
		p.call()
	}
}

// join and leave count the lanes.
func (p *pool) join() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lanes++
}

func (p *pool) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lanes--; p.lanes == 0 {
		p.idle = 0
		p.more.Broadcast()
	}
}

// work is one goroutine.
func (p *pool) work() {
	ended := false
	defer func() {
		if !ended { // a task called runtime.Goexit
			p.mu.Lock()
			defer p.mu.Unlock()
			p.live--
			if p.ready.n > 0 {
				p.call()
			}
		}
	}()
	p.mu.Lock()
	for p.live <= p.most {
		if p.ready.n > 0 {
			run := *p.ready.first()
			p.ready.drop()
			p.mu.Unlock()
			run()
			p.mu.Lock()
			continue
		}
		if p.lanes == 0 {
			break
		}
		p.idle++
		p.more.Wait()
	}
	ended = true
	p.live--
	p.mu.Unlock()
}
