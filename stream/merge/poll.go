package merge

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/merge/internal/order"
)

// Poll returns an assignment, a revocation or records.
func (s *Source) Poll(ctx context.Context) (*driver.Batch, error) {
	r := s.roster
	if r.letGo && len(r.say) == 0 { // the revocation was told, and what could be committed is
		r.give()
	}
	for {
		if len(r.say) > 0 {
			b := r.say[0]
			r.say = r.say[1:]
			return b, nil
		}
		s.answered()
		if b := s.merged(); b != nil {
			return b, nil
		}
		now := time.Now()
		s.arrange(now, s.memory.payBack(now))
		if err := s.poll(ctx); err != nil {
			return nil, err
		}
	}
}

// poll takes in what a side has delivered.
func (s *Source) poll(ctx context.Context) error {
	b, err := s.inner.Poll(ctx)
	switch {
	case errors.Is(err, io.EOF):
		return s.end(ctx)
	case err != nil:
		return err
	case b == nil:
		for l := range s.blocked { // their time may be over
			s.wake(l)
		}
		return nil
	}
	s.over = false
	if len(b.Revoked) > 0 {
		s.roster.revoked(b)
	}
	if len(b.Assigned) > 0 {
		if err := s.roster.assigned(b.Assigned); err != nil {
			return err
		}
	}
	l := s.roster.inputs[b.Lane]
	if b.Lane == "" || l == nil || !l.started {
		b.Release()
		return nil
	}
	i := slices.IndexFunc(l.in, func(in input) bool { return in.lane == b.Lane })
	l.took(i, b)
	s.press(l)
	s.wake(l)
	return nil
}

// end is the end of all sides: what waits no longer has to.
func (s *Source) end(ctx context.Context) error {
	if !s.over {
		s.over = true
		for _, l := range s.roster.lanes {
			for i := range l.in {
				if l.order != nil {
					l.order.End(i)
				}
			}
			s.wake(l)
		}
		return nil
	}
	for _, l := range s.roster.lanes {
		if l.waits() {
			<-ctx.Done()
			return ctx.Err()
		}
	}
	return io.EOF
}

// waits reports whether the lane has something that was not delivered.
func (l *lane) waits() bool {
	return !l.started || len(l.warm)+len(l.back)+len(l.loose) > 0 || slices.ContainsFunc(l.in, func(in input) bool { return len(in.queue) > 0 })
}

// wake makes merged look at a lane.
func (s *Source) wake(l *lane) {
	if !l.ready {
		l.ready = true
		s.ready = append(s.ready, l)
	}
}

// merged is the next batch of some lane; nil is none. Lanes take turns.
func (s *Source) merged() *driver.Batch {
	now := time.Now()
	for len(s.ready) > 0 {
		l := s.ready[0]
		s.ready[0] = nil
		s.ready = s.ready[1:]
		l.ready = false
		if l.gone {
			continue
		}
		b := l.next(now)
		s.press(l)
		if b != nil {
			s.wake(l)
			delete(s.blocked, l)
			return b
		}
		if l.order != nil && !l.paused && l.warming == 0 && l.owed == 0 && l.waits() {
			s.blocked[l] = true
		} else {
			delete(s.blocked, l)
		}
	}
	return nil
}

// answered takes in what sides have said.
func (s *Source) answered() {
	for _, a := range s.prover.take() {
		if a.again {
			a.side.asking = false
			continue
		}
		a.side.err = a.err
		for _, q := range a.proved {
			if q.lane.run == q.run && !q.lane.gone {
				q.lane.order.Prove(q.input, q.stamp)
				s.wake(q.lane)
			}
		}
	}
}

// arrange asks the sides that hold lanes, and sees to it that Poll wakes up when the time of one is over, and when a loan is due.
func (s *Source) arrange(now, until time.Time) {
	if len(s.blocked) == 0 {
		s.board.hold(nil)
		s.alarm(now, until)
		return
	}
	held := map[string]holding{}
	ask := map[*side][]question{}
	var holds []order.Hold
	for l := range s.blocked {
		if l.gone {
			delete(s.blocked, l)
			continue
		}
		holds = l.order.Holds(holds[:0])
		for _, h := range holds {
			o := s.roster.sides[h.Input]
			if !h.Until.IsZero() && (until.IsZero() || h.Until.Before(until)) {
				until = h.Until
			}
			if old, ok := held[o.name]; !ok || h.Since.Before(old.since) {
				held[o.name] = holding{h.Since, l.name, o.err}
			}
			if !o.asking {
				ask[o] = append(ask[o], question{l, l.run, h.Input, l.in[h.Input].part, l.order.Stamp()})
			}
		}
	}
	s.board.hold(held)
	for o, qs := range ask {
		s.prover.ask(o, qs)
	}
	s.alarm(now, until)
}

// alarm wakes Poll up at a time; zero is never.
func (s *Source) alarm(now, at time.Time) {
	if !at.IsZero() {
		s.timer.Reset(max(at.Sub(now), time.Millisecond))
	}
}
