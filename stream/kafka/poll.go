package kafka

import (
	"context"
	"fmt"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// Poll returns an assignment, a revocation or records. The first call joins the group.
func (s *Source) Poll(ctx context.Context) (*driver.Batch, error) {
	s.joined.Do(s.member.start)
	s.mu.Lock()
	s.letGo()
	s.mu.Unlock()
	for {
		if b, err := s.next(); b != nil || err != nil {
			return b, err
		}
		select {
		case <-s.ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-s.ctx.Done():
			return nil, errClosed
		}
	}
}

// next is what Poll returns; nil if there is nothing.
func (s *Source) next() (*driver.Batch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fatal != nil {
		return nil, s.fatal
	}
	if b := s.tell(); b != nil {
		return b, nil
	}
	d := s.queue.ready()
	if d == nil {
		return nil, nil
	}
	s.queue.remove(d)
	if d.part != nil {
		d.part.out--
		s.wakeLoops()
	}
	return &d.batch, nil
}

// Start begins a lane at its progress. A lane that was revoked meanwhile is left alone: Poll tells of it.
func (s *Source) Start(_ context.Context, st driver.Start) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.byLane[st.Lane]
	if l == nil {
		if s.session == nil || s.session.ended {
			return nil
		}
		return fmt.Errorf("kafka: lane %q was not assigned", st.Lane)
	}
	mine := map[record.Partition]bool{}
	for _, p := range l.parts {
		mine[*p.name] = true
	}
	for name, pr := range st.From {
		if !mine[name] && !pr.Ended {
			return &LostError{Partition: name, From: pr.UpTo.Sub, To: -1, Why: "the topic was made again or deleted; retire the partition to go on"}
		}
	}
	if err := s.fits(l, st.Warmup); err != nil {
		return err
	}
	s.discard(l)
	now := time.Now()
	for _, p := range l.parts {
		p.plan = newPlan(st.From[*p.name], st.Warmup, s.opts.Skew)
		s.known.read[*p.name] = p
		p.route++
		p.asked, p.broken, p.beyond = false, nil, 0
		p.good, p.bad, p.open = now, nil, time.Time{}
	}
	l.started = true
	l.enter(replaying)
	if st.Warmup > 0 {
		l.enter(warming)
	}
	s.moveOn(l)
	s.wakeRouter()
	return nil
}

// fits refuses a warm-up that the topic does not keep records for: better now than at the first restart.
func (s *Source) fits(l *lane, warmup time.Duration) error {
	for _, p := range l.parts {
		if keeps := s.keeps[p.topic]; keeps > 0 && warmup > keeps {
			return fmt.Errorf("kafka: a stage needs the last %s of topic %q again after each restart, and the topic keeps records for %s:"+
				" raise its retention.ms, or shorten the window, or keep IDs in a shared store", warmup, p.topic, keeps)
		}
	}
	return nil
}

// Pause stops or resumes the delivery of a lane.
func (s *Source) Pause(name string, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.byLane[name]
	if l == nil || l.paused == on {
		return
	}
	l.paused = on
	for _, p := range l.parts {
		p.good = time.Now()
	}
	if !on {
		s.signal()
		s.wakeLoops()
	}
}
