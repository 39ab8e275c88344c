package workerstest

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Scheduler is a workers.Scheduler that does nothing by itself: it calls tasks within Step, Run and Advance, in the goroutine
// of the test, and its time passes within Advance. The same seed gives the same order if the test and its tasks start no
// goroutines. It is safe for concurrent use, so that they may.
type Scheduler struct {
	mu     sync.Mutex
	rng    *rand.Rand
	now    time.Duration
	ready  []func()
	timers []*timer
	spare  int
}

type timer struct {
	at   time.Duration
	ring func()
}

// NewScheduler makes a scheduler. Each seed gives another order of what could be called at once.
func NewScheduler(seed uint64) *Scheduler {
	return &Scheduler{rng: rand.New(rand.NewPCG(seed, 17)), now: time.Hour}
}

// Go is for package workers, as are Now, After and Spare.
func (s *Scheduler) Go(run func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready = append(s.ready, run)
}

func (s *Scheduler) Now() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *Scheduler) After(d time.Duration, ring func()) (stop func() bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &timer{s.now + max(d, 0), ring}
	s.timers = append(s.timers, t)
	return func() bool { return s.take(t) }
}

func (s *Scheduler) Spare(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spare += n
}

// take removes a timer that has not rung.
func (s *Scheduler) take(t *timer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.timers)
	s.timers = slices.DeleteFunc(s.timers, func(x *timer) bool { return x == t })
	return len(s.timers) < n
}

// Step gives one sub-partition a turn: it calls its task for up to 128 records. It returns false if there is nothing to do
// before a task answers, a record comes or time passes.
func (s *Scheduler) Step() bool {
	s.mu.Lock()
	if len(s.ready) == 0 {
		s.mu.Unlock()
		return false
	}
	i := s.rng.IntN(len(s.ready))
	run := s.ready[i]
	s.ready = slices.Delete(s.ready, i, i+1)
	s.mu.Unlock()
	run()
	return true
}

// Run calls tasks until there is nothing to do.
func (s *Scheduler) Run() {
	for s.Step() {
	}
}

// Advance lets d pass: it runs what there is to do at each moment at which something is due, and at the end.
func (s *Scheduler) Advance(d time.Duration) {
	s.Run()
	until := s.Now() + d
	for {
		t := s.due(until)
		if t == nil {
			return
		}
		t.ring()
		s.Run()
	}
}

// due takes the next timer up to a time, and moves the clock to it; nil if there is none.
func (s *Scheduler) due(until time.Duration) *timer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.timers) > 0 {
		t := slices.MinFunc(s.timers, func(a, b *timer) int { return cmp.Compare(a.at, b.at) })
		if t.at <= until {
			s.now = max(s.now, t.at)
			s.timers = slices.DeleteFunc(s.timers, func(x *timer) bool { return x == t })
			return t
		}
	}
	s.now = max(s.now, until)
	return nil
}
