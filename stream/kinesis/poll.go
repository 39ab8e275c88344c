package kinesis

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/onceflow/onceflow/internal/lineage"
	"github.com/onceflow/onceflow/stream/driver"
)

// Poll returns what changed of our lanes, or a batch of one of them, in turn.
func (s *Source) Poll(ctx context.Context) (*driver.Batch, error) {
	s.began.Do(func() {
		s.tasks.Go(func() { s.follow(s.ctx) })
		s.tasks.Go(func() { s.takeLeases(s.ctx) })
	})
	s.mu.Lock()
	if s.told { // what we said before is done
		s.told = false
		s.poke()
	}
	s.mu.Unlock()
	for {
		if b, err := s.next(); b != nil || err != nil {
			return b, err
		}
		select {
		case <-s.ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (s *Source) next() (*driver.Batch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fatal != nil {
		return nil, s.fatal
	}
	if b := s.rebalance(); b != nil {
		return b, nil
	}
	for range s.order {
		s.turn = (s.turn + 1) % len(s.order)
		l := s.lanes[s.order[s.turn]]
		if l.paused || l.run == nil || len(l.run.queue) == 0 {
			continue
		}
		r := l.run
		d := r.queue[0]
		r.queue[0] = nil
		r.queue = r.queue[1:]
		r.bytes -= d.Bytes
		s.queued -= d.Bytes
		s.moreRoom(r)
		s.wakePoll() // there may be more
		s.watching = s.watching || len(d.Ended) > 0
		return &d.Batch, nil
	}
	return nil, nil
}

// Start begins to read a lane.
func (s *Source) Start(_ context.Context, st driver.Start) error {
	s.mu.Lock()
	l := s.lanes[st.Lane]
	if l == nil {
		s.mu.Unlock()
		return fmt.Errorf("kinesis: start %s: %w", st.Lane, errNoLane)
	}
	defer s.mu.Unlock()
	for _, p := range l.assignment.Partitions {
		g := st.From[p]
		if p.Epoch != s.stream.epoch() {
			return &LostError{Partition: p, After: g.UpTo, Why: "the stream was deleted and made again at " + s.stream.epoch()}
		}
		if _, listed := s.shards[p.ID]; !listed && (!g.Ended || g.Held.Len() > 0) {
			return &LostError{Partition: p, After: g.UpTo, Why: "the service does not list the shard any more: it dropped it before it was read to its end"}
		}
	}
	l.paused = false
	s.start(l, st.From, st.Warmup)
	return nil
}

// Pause stops or resumes the delivery of a lane.
func (s *Source) Pause(lane string, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.lanes[lane]; l != nil {
		l.paused = on
		s.wakePoll()
	}
}

// rebalance compares the lanes that we have with those that we should have. It needs s.mu.
func (s *Source) rebalance() *driver.Batch {
	if s.want == nil {
		return nil
	}
	b := &driver.Batch{Deadline: s.until}
	mine := map[string]bool{}
	for i := range s.want {
		w := &s.want[i]
		if _, ours := slices.BinarySearch(s.leases, w.Lease); !ours {
			continue
		}
		mine[w.Lane] = true
		if l := s.lanes[w.Lane]; l != nil {
			if l.lease != w.Lease {
				l.lease = w.Lease
				s.poke() // the old one is to be released
			}
			if slices.Equal(l.assignment.Partitions, w.Partitions) {
				continue
			}
			b.Revoked = append(b.Revoked, w.Lane)
		}
		b.Assigned = append(b.Assigned, w.Assignment)
	}
	for name := range s.lanes {
		if !mine[name] {
			b.Revoked = append(b.Revoked, name)
		}
	}
	if len(b.Revoked)+len(b.Assigned) == 0 {
		return nil
	}
	slices.Sort(b.Revoked)
	for _, name := range b.Revoked {
		if l := s.lanes[name]; l.run != nil {
			s.drop(l.run)
			l.run = nil
		}
		delete(s.lanes, name)
	}
	for _, a := range b.Assigned {
		i := slices.IndexFunc(s.want, func(w lineage.Lane) bool { return w.Lane == a.Lane })
		s.lanes[a.Lane] = &lane{assignment: a, lease: s.want[i].Lease}
	}
	if len(b.Revoked) == 0 {
		b.Deadline = time.Time{}
	}
	s.laneOrder()
	s.told = true
	s.opts.Logger.Info("lanes", "assigned", len(b.Assigned), "revoked", b.Revoked, "have", len(s.lanes))
	return b
}
