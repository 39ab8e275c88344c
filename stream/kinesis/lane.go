package kinesis

import (
	"context"

	"github.com/onceflow/onceflow/stream/driver"
)

// lane is a lane that this process has. reading.mu guards its fields.
type lane struct {
	assignment driver.Assignment
	lease      string
	run        *run // since the last Start; nil before the first
	paused     bool
}

// run is the delivery of a lane from one Start to the next. Readers of an older run are ended and can do no harm, since
// nobody looks at its queue. reading.mu guards its fields.
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

// laneBytes is how much of a lane may wait for the engine: about what a shard gives in a second.
const laneBytes = 2 << 20

// end ends the lane's run, if there is one. It needs q.mu.
func (l *lane) end(q *reading) {
	if l.run != nil {
		q.drop(l.run)
		l.run = nil
	}
}

// drop ends a run. It needs q.mu.
func (q *reading) drop(r *run) {
	r.cancel()
	for _, d := range r.queue {
		d.release()
	}
	q.queued -= r.bytes
	r.queue, r.bytes = nil, 0
	q.moreRoom(r)
}

// moreRoom wakes readers that wait for the queue. It needs q.mu.
func (q *reading) moreRoom(r *run) {
	close(r.room)
	r.room = make(chan struct{})
	close(q.room)
	q.room = make(chan struct{})
}

// push queues what a reader has. It returns false if the run is over.
func (q *reading) push(r *run, ds []*delivery) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
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
		q.queued += d.Bytes
	}
	q.wakePoll()
	return true
}

// done notes that one of the lane's shards has nothing more to give in a phase, and waits for the others.
func (q *reading) done(ctx context.Context, r *run, ph phase, warm bool) error {
	q.mu.Lock()
	if r.left[ph]--; r.left[ph] == 0 {
		if ph == warming && warm && r.lane.run == r {
			d := newDelivery(r.lane.assignment.Lane, true)
			d.WarmDone = true
			r.queue = append(r.queue, d)
			q.wakePoll()
		}
		close(r.passed[ph])
	}
	q.mu.Unlock()
	select {
	case <-r.passed[ph]:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// waitRoom blocks while the queue of the lane, or those of all lanes together, are full. Then it books what an answer may
// bring.
func (q *reading) waitRoom(ctx context.Context, r *run, want int64) error {
	for {
		q.mu.Lock()
		lane, all := r.room, q.room
		full := r.bytes >= laneBytes || q.queued+q.booked > 0 && q.queued+q.booked+want > q.opts.Buffer
		if !full {
			q.booked += want
		}
		q.mu.Unlock()
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
func (q *reading) unbook(n int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.booked -= n
	close(q.room)
	q.room = make(chan struct{})
}
