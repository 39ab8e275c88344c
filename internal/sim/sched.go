package sim

import (
	"context"
	"fmt"
	"hash"
	"hash/fnv"
	"io"
	"iter"
	"math/rand/v2"
	"slices"
	"time"
)

// scheduler runs actors one at a time, each until it yields. It draws everything from one seed.
type scheduler struct {
	rng    *rand.Rand
	began  time.Time
	now    time.Time
	actors []*actor
	timers []timer
	cur    *actor
	last   *actor
	sticky float64 // chance that an actor goes on

	steps int
	hash  hash.Hash64
	trace io.Writer // nil: none
}

// actor is a goroutine that runs when the scheduler says so.
type actor struct {
	name string
	proc *process
	next func() (string, bool)
	stop func()
	out  func(string) bool // gives control back; false: the process has crashed
	wake time.Time
	why  string
}

// timer calls f at a time.
type timer struct {
	at time.Time
	f  func()
}

// crash is the panic that unwinds an actor of a process that was killed. Nothing it still does has an effect.
type crash struct{}

func newScheduler(seed uint64, start time.Time, trace io.Writer) *scheduler {
	return &scheduler{rng: rand.New(rand.NewPCG(seed, 0x0f10)), began: start, now: start, hash: fnv.New64a(), trace: trace}
}

// logf adds a line to the trace, of which only a hash is kept unless it is wanted.
func (s *scheduler) logf(format string, args ...any) {
	fmt.Fprintf(s.hash, format, args...)
	if s.trace != nil {
		fmt.Fprintf(s.trace, "%5d %s ", s.steps, s.now.Format("15:04:05.000"))
		fmt.Fprintf(s.trace, format+"\n", args...)
	}
}

// spawn starts f as an actor of p, which may be nil.
func (s *scheduler) spawn(p *process, name string, f func()) {
	a := &actor{name: name, proc: p}
	a.next, a.stop = iter.Pull(func(yield func(string) bool) {
		defer func() {
			if r := recover(); r != nil {
				if _, crashed := r.(crash); !crashed {
					panic(r)
				}
			}
		}()
		a.out = yield
		f()
	})
	s.actors = append(s.actors, a)
}

// Yield lets others run. It is called by actors only.
func (s *scheduler) Yield(why string) {
	a := s.cur
	a.why = why
	if !a.out(why) {
		panic(crash{})
	}
}

// sleep waits until d has passed or ctx is done.
func (s *scheduler) sleep(ctx context.Context, d time.Duration) error {
	a := s.cur
	a.wake = s.now.Add(d)
	defer func() { a.wake = time.Time{} }()
	for s.now.Before(a.wake) && ctx.Err() == nil {
		s.Yield("sleep")
	}
	return ctx.Err()
}

// at calls f, outside all actors, once it is t.
func (s *scheduler) at(t time.Time, f func()) { s.timers = append(s.timers, timer{t, f}) }

// deadline is context.WithTimeout in the scheduler's time.
func (s *scheduler) deadline(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	s.at(s.now.Add(d), func() { cancel(context.DeadlineExceeded) })
	return ctx, func() { cancel(context.Canceled) }
}

// kill ends all actors of p where they are.
func (s *scheduler) kill(p *process) {
	for _, a := range s.actors {
		if a.proc == p {
			s.cur = a
			a.stop()
		}
	}
	s.actors = slices.DeleteFunc(s.actors, func(a *actor) bool { return a.proc == p })
	s.cur = nil
}

// runnable are the actors that could go on now.
func (s *scheduler) runnable(out []*actor) []*actor {
	for _, a := range s.actors {
		if a.wake.After(s.now) || a.proc != nil && a.proc.paused {
			continue
		}
		out = append(out, a)
	}
	return out
}

// step runs one actor until it yields. It returns false if none can run before time passes.
func (s *scheduler) step(buf []*actor) bool {
	ready := s.runnable(buf[:0])
	if len(ready) == 0 {
		return false
	}
	a := ready[s.rng.IntN(len(ready))]
	if s.last != nil && s.rng.Float64() < s.sticky && slices.Contains(ready, s.last) {
		a = s.last
	}
	s.steps++
	s.cur, s.last = a, a
	why, more := a.next()
	s.cur = nil
	if !more {
		s.actors = slices.DeleteFunc(s.actors, func(b *actor) bool { return a == b })
		why = "ends"
	}
	s.logf("%s: %s", a.name, why)
	return true
}

// pass lets time pass by d, and calls what is due.
func (s *scheduler) pass(d time.Duration) {
	s.now = s.now.Add(d)
	for i := 0; i < len(s.timers); i++ {
		if t := s.timers[i]; !t.at.After(s.now) {
			s.timers = slices.Delete(s.timers, i, i+1)
			i--
			t.f()
		}
	}
}

// nextWake is how long until a sleeping actor can go on; 0 if none sleeps.
func (s *scheduler) nextWake() time.Duration {
	var d time.Duration
	for _, a := range s.actors {
		if a.wake.After(s.now) && (a.proc == nil || !a.proc.paused) {
			if w := a.wake.Sub(s.now); d == 0 || w < d {
				d = w
			}
		}
	}
	return d
}

func (s *scheduler) chance(p float64) bool { return s.rng.Float64() < p }

// upTo is a random duration.
func (s *scheduler) upTo(d time.Duration) time.Duration {
	return time.Duration(s.rng.Int64N(int64(d) + 1))
}
