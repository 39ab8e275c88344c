package kinesis

import (
	"context"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// lane is a lane that this process has. Its fields are guarded by Source.mu.
type lane struct {
	assignment driver.Assignment
	lease      string
	run        *run // since the last Start; nil before the first
	paused     bool
}

// run is the delivery of a lane from one Start to the next. Readers that belong to an older one are ended and can do no
// harm: what they queue is in a queue that nobody looks at. Its fields are guarded by Source.mu.
type run struct {
	lane   *lane
	cancel context.CancelFunc
	shards []*reader

	queue  []*delivery
	bytes  int64
	room   chan struct{} // closed, and made anew, when the queue has got shorter
	left   [following]int
	passed [following]chan struct{} // closed when all shards have done the phase
}

func newRun(l *lane, cancel context.CancelFunc, n int) *run {
	r := &run{lane: l, cancel: cancel, room: make(chan struct{})}
	for ph := range r.passed {
		r.passed[ph], r.left[ph] = make(chan struct{}), n
	}
	return r
}

// laneBytes is how much of a lane may wait for the engine. It is about what a shard gives in a second.
const laneBytes = 2 << 20

// start makes the readers of a lane.
func (s *Source) start(l *lane, from map[record.Partition]driver.Progress, warmup time.Duration) {
	ctx, cancel := context.WithCancel(s.ctx)
	parts := l.assignment.Partitions
	var elders []record.Partition
	if warmup > 0 {
		elders = l.assignment.Elders
	}
	r := newRun(l, cancel, len(parts)+len(elders))
	var seen time.Time // an elder's records matter as far as the lane's clock reaches back
	for _, p := range parts {
		if g := from[p]; !g.Ended && !g.Seen.IsZero() && (seen.IsZero() || g.Seen.Before(seen)) {
			seen = g.Seen
		}
	}
	for _, p := range parts {
		g := from[p]
		rd := s.newReader(r, p, newPlan(g, g.Seen, warmup, s.opts.Skew))
		rd.bound, rd.armed, rd.sent = g.Arrived, !g.Arrived.IsZero(), g.UpTo
		r.shards = append(r.shards, rd)
	}
	for _, p := range elders {
		rd := s.newReader(r, p, newPlan(driver.Progress{Ended: true}, seen, warmup, s.opts.Skew))
		rd.plan.elder = true
		r.shards = append(r.shards, rd)
	}
	old := l.run
	l.run = r
	if old != nil {
		s.drop(old)
	}
	for _, rd := range r.shards {
		s.tasks.Go(func() { rd.main(ctx, warmup > 0) })
	}
}

// drop ends a run. It needs s.mu.
func (s *Source) drop(r *run) {
	r.cancel()
	for _, d := range r.queue {
		d.release()
	}
	s.queued -= r.bytes
	r.queue, r.bytes = nil, 0
	s.moreRoom(r)
}

// moreRoom wakes readers that wait for the queue. It needs s.mu.
func (s *Source) moreRoom(r *run) {
	close(r.room)
	r.room = make(chan struct{})
	close(s.room)
	s.room = make(chan struct{})
}

// push queues what a reader has. It returns false if the run is over.
func (s *Source) push(r *run, ds []*delivery) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.lane.run != r {
		for _, d := range ds {
			d.release()
		}
		return false
	}
	for _, d := range ds {
		if d.empty() {
			d.release()
			continue
		}
		r.queue = append(r.queue, d)
		r.bytes += d.Bytes
		s.queued += d.Bytes
	}
	s.wakePoll()
	return true
}

// done notes that one of the lane's shards has nothing more to give in a phase, and waits for the others.
func (s *Source) done(ctx context.Context, r *run, ph phase, warm bool) error {
	s.mu.Lock()
	if r.left[ph]--; r.left[ph] == 0 {
		if ph == warming && warm && r.lane.run == r {
			d := newDelivery(r.lane.assignment.Lane, true)
			d.WarmDone = true
			r.queue = append(r.queue, d)
			s.wakePoll()
		}
		close(r.passed[ph])
	}
	s.mu.Unlock()
	select {
	case <-r.passed[ph]:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// waitRoom blocks while the lane has enough in its queue, or all lanes together have, and books what an answer may bring.
func (s *Source) waitRoom(ctx context.Context, r *run, want int64) error {
	for {
		s.mu.Lock()
		lane, all := r.room, s.room
		full := r.bytes >= laneBytes || s.queued+s.booked > 0 && s.queued+s.booked+want > s.opts.Buffer
		if !full {
			s.booked += want
		}
		s.mu.Unlock()
		if !full {
			return nil
		}
		select {
		case <-lane:
		case <-all:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// unbook gives back what waitRoom booked.
func (s *Source) unbook(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.booked -= n
	close(s.room)
	s.room = make(chan struct{})
}
