package kinesis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/onceflow/onceflow/internal/lineage"
	"github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/kinesis/internal/service"
	"github.com/onceflow/onceflow/stream/record"
)

// reading has the lanes of this process, their readers, and the batches that these have queued for the engine. It is safe
// for concurrent use. Under its lock only that of the listing is taken.
type reading struct {
	svc  *service.Stream
	list *service.Listing
	opts *Options

	ctx   context.Context // of all readers
	tasks sync.WaitGroup
	ready chan struct{} // wakes Poll

	mu     sync.Mutex
	lanes  map[string]*lane // that the engine has
	order  []string         // of lanes, for next to take turns
	turn   int
	queued int64 // bytes of all queues
	booked int64 // bytes that requests under way may bring
	room   chan struct{}
	fatal  error
}

// next is a batch of one of the lanes, in turn; nil if there is none.
func (q *reading) next() *driver.Batch {
	q.mu.Lock()
	defer q.mu.Unlock()
	for range q.order {
		q.turn = (q.turn + 1) % len(q.order)
		l := q.lanes[q.order[q.turn]]
		if l.paused || l.run == nil || len(l.run.queue) == 0 {
			continue
		}
		r := l.run
		d := r.queue[0]
		r.queue[0] = nil
		r.queue = r.queue[1:]
		r.bytes -= d.Bytes
		q.queued -= d.Bytes
		q.moreRoom(r)
		q.wakePoll() // there may be more
		return &d.Batch
	}
	return nil
}

// start begins to read a lane.
func (q *reading) start(st *driver.Start) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lanes[st.Lane]
	if l == nil {
		return fmt.Errorf("kinesis: start %s: %w", st.Lane, errNoLane)
	}
	for _, p := range l.assignment.Partitions {
		g := st.From[p]
		if p.Epoch != q.list.Epoch {
			return &LostError{Partition: p, After: g.UpTo, Why: "the stream was deleted and made again at " + q.list.Epoch}
		}
		if _, listed := q.list.Of(p); !listed && (!g.Ended || g.Pending.Len() > 0) {
			return &LostError{Partition: p, After: g.UpTo, Why: "the service does not list the shard any more: it dropped it before it was read to its end"}
		}
	}
	l.paused = false
	q.begin(l, st)
	return nil
}

// begin makes the readers of a lane. It needs q.mu.
func (q *reading) begin(l *lane, st *driver.Start) {
	ctx, cancel := context.WithCancel(q.ctx)
	parts := l.assignment.Partitions
	var elders []record.Partition
	if st.Warmup > 0 {
		elders = l.assignment.Elders
	}
	r := newRun(l, cancel, len(parts)+len(elders))
	for _, p := range parts {
		g := st.From[p]
		rd := newReader(q, r, p, newPlan(g, st, q.opts.Skew))
		rd.bound, rd.armed, rd.sent = g.Arrived, !g.Arrived.IsZero(), g.UpTo
		r.shards = append(r.shards, rd)
	}
	for _, p := range elders {
		rd := newReader(q, r, p, newPlan(driver.Progress{Ended: true}, st, q.opts.Skew))
		rd.plan.elder = true
		r.shards = append(r.shards, rd)
	}
	old := l.run
	l.run = r
	if old != nil {
		q.drop(old)
	}
	for _, rd := range r.shards {
		q.tasks.Go(func() { rd.main(ctx, st.Warmup > 0) })
	}
}

// pause stops or resumes the delivery of a lane.
func (q *reading) pause(lane string, on bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if l := q.lanes[lane]; l != nil {
		l.paused = on
		q.wakePoll()
	}
}

// pending is a lane that we have.
type pending struct {
	lease      string
	partitions []record.Partition
}

// have are the lanes that we have, by name.
func (q *reading) have() map[string]pending {
	q.mu.Lock()
	defer q.mu.Unlock()
	out := make(map[string]pending, len(q.lanes))
	for name, l := range q.lanes {
		out[name] = pending{l.lease, l.assignment.Partitions}
	}
	return out
}

// change sets our lanes to mine. It returns what to tell the engine; nil is nothing. moved says that a lane has another
// lease now.
func (q *reading) change(mine []lineage.Lane) (b *driver.Batch, moved bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	b = &driver.Batch{}
	named := map[string]*lineage.Lane{}
	for i := range mine {
		w := &mine[i]
		named[w.Lane] = w
		if l := q.lanes[w.Lane]; l != nil {
			moved = moved || l.lease != w.Lease
			l.lease = w.Lease
			if slices.Equal(l.assignment.Partitions, w.Partitions) {
				continue
			}
			b.Revoked = append(b.Revoked, w.Lane)
		}
		b.Assigned = append(b.Assigned, w.Assignment)
	}
	for name := range q.lanes {
		if named[name] == nil {
			b.Revoked = append(b.Revoked, name)
		}
	}
	if len(b.Revoked)+len(b.Assigned) == 0 {
		return nil, moved
	}
	slices.Sort(b.Revoked)
	for _, name := range b.Revoked {
		q.lanes[name].end(q)
		delete(q.lanes, name)
	}
	for _, a := range b.Assigned {
		q.lanes[a.Lane] = &lane{assignment: a, lease: named[a.Lane].Lease}
	}
	q.order = slices.Sorted(maps.Keys(q.lanes)) // they take turns
	q.opts.Logger.Info("lanes", "assigned", len(b.Assigned), "revoked", b.Revoked, "have", len(q.lanes))
	return b, moved
}

// close ends all runs, and leaves an error for who still polls.
func (q *reading) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, l := range q.lanes {
		l.end(q)
	}
	q.fatal = cmp.Or(q.fatal, errClosed)
}

// err is the error that ends the job; nil if there is none.
func (q *reading) err() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.fatal
}

// fail ends the job.
func (q *reading) fail(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stop(err)
}

// failRun stops the job because of what a reader found, unless the lane was started again or given up since.
func (q *reading) failRun(r *run, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if r.lane.run == r {
		q.stop(err)
	}
}

// stop needs q.mu.
func (q *reading) stop(err error) {
	if q.fatal == nil && !errors.Is(err, context.Canceled) {
		q.fatal = err
		q.wakePoll()
	}
}

func (q *reading) wakePoll() { retry.Wake(q.ready) }
