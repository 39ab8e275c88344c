package workers

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/onceflow/onceflow/stream/internal/guard"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// lane is the processor of a lane. The engine's goroutine uses it; what tasks tell it is under mu, which is taken alone or
// behind that of a sub-partition.
type lane[In, Out any] struct {
	w      *Workers[In, Out]
	at     stage.Lane
	ctx    context.Context // ends when the lane is closed; here since no call of the engine lasts as long
	cancel context.CancelCauseFunc

	subs    []*sub[In, Out] // by index; nil until there is a record for it
	touched []*sub[In, Out]
	left    map[place]int // where records are expected that are read again; nil behind them
	host    stage.Host
	seq     uint64 // of the last record
	bytes   int64  // of records that are not emitted
	full    bool
	order   *order[Out] // nil: results are emitted as they come

	mu      sync.Mutex
	open    []*sub[In, Out] // those of subs
	dirty   []*sub[In, Out] // that have results
	spare   []*sub[In, Out] // memory of dirty
	err     error           // the job must stop
	stopped atomic.Bool     // err is set
	alarm   alarm
	ending  ending
}

func newLane[In, Out any](w *Workers[In, Out], at stage.Lane) *lane[In, Out] {
	l := &lane[In, Out]{w: w, at: at, subs: make([]*sub[In, Out], w.part.Count)}
	l.ctx, l.cancel = context.WithCancelCause(context.Background())
	l.alarm.sched, l.alarm.ring = w.sched, l.ring
	if w.opts.InOrder {
		l.order = &order[Out]{}
	}
	return l
}

func (l *lane[In, Out]) now() time.Duration { return l.w.sched.Now() }

// Process gives records to their sub-partitions, and these to the scheduler.
func (l *lane[In, Out]) Process(_ context.Context, in []record.Event[In], out *stage.Emitter[Out]) error {
	l.host = out.Host()
	now := l.now()
	var g guard.Guard
	guard.Run(&g, in, out, func() {
		for ; g.At < len(in); g.At++ {
			e := &in[g.At]
			i, err := l.indexOf(e)
			if err != nil {
				l.w.counters.outOfRange.Add(1)
				out.Reject(e.Origin, err)
				continue
			}
			l.put(i, e, now)
			out.Hold(e.Origin)
		}
	})
	for i, s := range l.touched {
		s.touched, l.touched[i] = false, nil
		s.mu.Lock()
		s.wake(now)
		s.mu.Unlock()
	}
	l.touched = l.touched[:0]
	return l.failure()
}

// indexOf asks the partitioner.
func (l *lane[In, Out]) indexOf(e *record.Event[In]) (int, error) {
	if l.w.part.Of == nil {
		return int(l.seq % uint64(len(l.subs))), nil
	}
	i := l.w.part.Of(&e.Value)
	if i < 0 || i >= len(l.subs) {
		return 0, errRange
	}
	if l.left != nil {
		l.compare(e, i)
	}
	return i, nil
}

// compare counts a record that was read again and has another sub-partition.
func (l *lane[In, Out]) compare(e *record.Event[In], i int) {
	ref := l.host.Lookup(e.Origin)
	if !ref.Replayed {
		l.left = nil // those that are read again come first
		return
	}
	if ref.Partition == nil {
		return
	}
	if was, ok := l.left[place{*ref.Partition, ref.Position}]; ok && was != i {
		l.w.counters.moved.Add(1)
	}
}

// leastBytes is what a record counts whose size is unknown.
const leastBytes = 64

// put puts a record into the queue of a sub-partition.
func (l *lane[In, Out]) put(i int, e *record.Event[In], now time.Duration) {
	s := l.subs[i]
	if s == nil {
		s = l.newSub(i)
	}
	l.seq++
	it := item[In]{event: *e, seq: l.seq, bytes: max(l.host.Size(e.Origin), leastBytes), arrived: now}
	if r, ok := any(&it.event.Value).(*record.Record); ok {
		*r = r.Clone() // its bytes are the source's
	}
	l.bytes += it.bytes
	if l.order != nil {
		l.order.expect()
	}
	s.add(&it)
	if !s.touched {
		s.touched = true
		l.touched = append(l.touched, s)
	}
}

func (l *lane[In, Out]) newSub(i int) *sub[In, Out] {
	s := newSub(l, Subpartition{l.at.Name, i})
	l.subs[i] = s
	l.mu.Lock()
	l.open = append(l.open, s)
	l.mu.Unlock()
	s.look()
	return s
}

// Pull emits what tasks have finished.
func (l *lane[In, Out]) Pull(_ context.Context, out *stage.Emitter[Out]) error {
	l.mu.Lock()
	dirty := l.dirty
	l.dirty = l.spare[:0]
	l.mu.Unlock()
	for i, s := range dirty {
		done := s.takeDone()
		for j := range done {
			r := &done[j]
			if l.order == nil {
				l.emit(r, out)
				continue
			}
			l.order.put(r)
			for next := l.order.next(); next != nil; next = l.order.next() {
				l.emit(next, out)
				l.order.drop()
			}
		}
		dirty[i] = nil
	}
	l.spare = dirty
	return l.failure()
}

// emit passes on what became of a record.
func (l *lane[In, Out]) emit(r *result[Out], out *stage.Emitter[Out]) {
	o := r.event.Origin
	out.Release(o)
	if r.err != nil {
		out.Reject(o, r.err)
		r.err = nil
	}
	for i := range r.out {
		out.Emit(record.Event[Out]{Value: r.out[i], Time: r.event.Time, Origin: o})
	}
	clear(r.out)
	r.out = r.out[:0]
	l.bytes -= r.bytes
}

// Full reports whether so much waits that no more should be read, until a quarter of it is gone.
func (l *lane[In, Out]) Full() bool {
	most := l.w.opts.Queue * int64(len(l.subs))
	if l.full {
		most -= most / 4
	}
	l.full = l.bytes > most
	return l.full
}

// finished notes that s has results, and wakes the engine. It is called with s.mu held.
func (l *lane[In, Out]) finished(s *sub[In, Out]) {
	l.mu.Lock()
	l.dirty = append(l.dirty, s)
	first := len(l.dirty) == 1
	l.mu.Unlock()
	if first {
		l.at.Wake()
	}
}

// stop stops the job. The first error counts.
func (l *lane[In, Out]) stop(err error) {
	l.mu.Lock()
	if l.err == nil {
		l.err = err
	}
	l.mu.Unlock()
	l.stopped.Store(true)
	l.at.Wake()
}

// failure is the error that stops the job, or nil.
func (l *lane[In, Out]) failure() error {
	if !l.stopped.Load() {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// opened are the sub-partitions that have had a record.
func (l *lane[In, Out]) opened() []*sub[In, Out] {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open[:len(l.open):len(l.open)]
}

// arm has ring called at a time, or before.
func (l *lane[In, Out]) arm(at time.Duration) { l.alarm.arm(at) }

// ring lets time pass for all sub-partitions.
func (l *lane[In, Out]) ring() {
	l.alarm.rang()
	now := l.now()
	for _, s := range l.opened() {
		if next := s.ring(now); next > 0 {
			l.arm(next)
		}
	}
}

// Close gives all records up and closes the tasks. Calls under way are waited for, but not for long.
func (l *lane[In, Out]) Close() error {
	left := l.places()
	l.alarm.end()
	l.cancel(errClosed)
	l.ending.begin()
	var errs []error
	for _, s := range l.opened() {
		errs = append(errs, s.close())
	}
	if l.w.pool != nil {
		l.ending.wait(&l.w.stubborn)
	}
	l.w.closed(l, left)
	return errors.Join(errs...)
}

// places are where the unfinished records are from, if the partitioner is to be compared with what it says later.
func (l *lane[In, Out]) places() map[place]int {
	if l.host == nil || l.w.part.Of == nil {
		return nil
	}
	places := map[place]int{}
	for _, s := range l.opened() {
		s.places(func(o record.Origin, i int) {
			if ref := l.host.Lookup(o); ref.Partition != nil {
				places[place{*ref.Partition, ref.Position}] = i
			}
		})
	}
	return places
}
