package join

import (
	"context"
	"time"

	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// asOf is an as-of join of one lane. Left events are pending until event time has passed them by Grace. Right events are
// finished when they are read, so the ledger says nothing of them: a warm-up brings them back.
//
// Of each key it keeps the newest right event that event time has passed by Grace, and all that are newer. What is older can
// serve no left event that still comes in time.
type asOf[T any, K comparable] struct {
	*joiner[T, K]
	lane      string
	reached   time.Time // stage.Lane.Reached
	eventTime time.Time
	lefts     slab[T]
	decide    timers[T]
	rights    table[version[T], K]
	expire    timers[version[T]]
	live      int   // events of both sides
	bytes     int64 // of the right ones, see stage.Keeper
	counted   record.Origin

	left, right record.Event[T] // the pair that is being merged
}

// version is a right event. Its origin is gone, so it says itself where it came from. In the table no two of a key have
// one time.
type version[T any] struct {
	value     T
	partition *record.Partition
	position  record.Position
	size      int64
}

// before is the order of right events of one time. The events of one record come in its order, also in a replay.
func (v *version[T]) before(w *version[T]) bool {
	if c := v.partition.Compare(*w.partition); c != 0 {
		return c < 0
	}
	return v.position.Compare(w.position) < 0
}

func (s *joiner[T, K]) openAsOf(l *stage.Lane) stage.Processor[T, T] {
	p := &asOf[T, K]{joiner: s, lane: l.Name, reached: l.Reached}
	p.rights.init(func(v *version[T]) K { return s.key(&v.value) }, nil)
	grace := s.opts.Grace
	p.decide.init(&p.lefts, grace, 0, grace, byMoment(&p.decide))
	p.expire.init(&p.rights.slab, grace, s.opts.Window+grace, grace, byMoment(&p.expire))
	return p
}

// byMoment orders timers by their moment alone.
func byMoment[T any](t *timers[T]) func(a, b dueRef) bool {
	return func(a, b dueRef) bool {
		if a.micro != b.micro {
			return a.micro < b.micro
		}
		return t.at(t.slab.get(a.ref)).Before(t.at(t.slab.get(b.ref)))
	}
}

// Process takes in right events and holds left ones.
func (p *asOf[T, K]) Process(_ context.Context, in []record.Event[T], out *stage.Emitter[T]) error {
	var zero K
	for i := range in {
		e := &in[i]
		k, right, err := p.look(&e.Value)
		switch {
		case err != nil:
			out.Reject(e.Origin, err)
			continue
		case k == zero:
			out.Emit(*e)
			continue
		case right && e.Time.Add(p.opts.Grace).Before(p.eventTime):
			out.Drop(e.Origin, record.Filtered, "late right")
		case right:
			out.Drop(e.Origin, record.Filtered, "right")
		}
		if right {
			p.keep(k, e, out)
		} else {
			p.hold(e, out)
		}
		if p.opts.exceeded(p.live) && !out.Lookup(e.Origin).Replayed { // behind those it forgets what it needed for them
			return &PendingError{Lane: p.lane, Pending: p.live, MaxEventTime: p.eventTime}
		}
	}
	return nil
}

// Warmup reaches from a left event that event time has not passed by Grace to the oldest right event that it may get.
func (p *asOf[T, K]) Warmup() time.Duration { return p.opts.Window + p.opts.Grace }

// Warm takes in the right events that were read before. The rows of the left ones are written. Events without a key may be
// the right ones of a later as-of join.
func (p *asOf[T, K]) Warm(_ context.Context, in []record.Event[T], out *stage.Emitter[T]) error {
	var zero K
	for i := range in {
		e := &in[i]
		switch k, right, err := p.look(&e.Value); {
		case err != nil:
		case k == zero:
			out.Emit(*e)
		case right:
			p.keep(k, e, out)
		}
	}
	p.prune(p.reached)
	return nil
}

// Advance decides the left events for which no right one is to come. Then it forgets the right events that none needs.
func (p *asOf[T, K]) Advance(_ context.Context, eventTime time.Time, out *stage.Emitter[T]) error {
	p.eventTime = eventTime
	for r := p.decide.next(eventTime); r != none; r = p.decide.next(eventTime) {
		p.left = p.lefts.get(r).ev
		p.decide.remove(r)
		p.live--
		out.Release(p.left.Origin)
		p.serve(out)
	}
	p.prune(eventTime)
	return nil
}

// prune forgets the right events that no left one needs which is at most Grace older than eventTime.
func (p *asOf[T, K]) prune(eventTime time.Time) {
	for r := p.expire.next(eventTime); r != none; r = p.expire.next(eventTime) {
		q := p.rights.slab.get(r)
		if q.timer == 1 {
			p.forget(r)
			continue
		}
		for { // those that are older serve only what is older than this one
			older, _ := p.rights.around(p.rights.key(&q.ev.Value), false, q.ev.Time, false)
			if older == none {
				break
			}
			p.forget(older)
		}
		p.expire.again(r)
	}
}

// Kept is about how many bytes the right events need.
func (p *asOf[T, K]) Kept() int64 { return p.bytes }

// serve emits the left event, merged with the right one that it gets.
func (p *asOf[T, K]) serve(out *stage.Emitter[T]) {
	l := &p.left
	if r, _ := p.rights.around(p.key(&l.Value), false, l.Time, true); r != none {
		if q := p.rights.slab.get(r); l.Time.Sub(q.ev.Time) <= p.opts.Window {
			p.right.Value = q.ev.Value.value // merge gets a copy, since the next left event needs it as it is
			if err := p.merged(&l.Value, &p.right.Value); err != nil {
				out.Reject(l.Origin, err)
				p.left, p.right = record.Event[T]{}, record.Event[T]{}
				return
			}
		}
	}
	out.Emit(*l)
	p.left, p.right = record.Event[T]{}, record.Event[T]{} // lets go of what they point to
}

func (p *asOf[T, K]) hold(e *record.Event[T], out *stage.Emitter[T]) {
	r, q := p.lefts.add()
	q.ev = *e
	p.decide.add(r)
	p.live++
	out.Hold(e.Origin)
}

// keep takes in a right event.
func (p *asOf[T, K]) keep(k K, e *record.Event[T], out *stage.Emitter[T]) {
	if e.Time.Add(p.Warmup()).Before(p.eventTime) {
		return // it would be forgotten at once
	}
	at := out.Lookup(e.Origin)
	v := version[T]{value: e.Value, partition: at.Partition, position: at.Position}
	if p.counted != e.Origin { // a record of many events counts once
		p.counted, v.size = e.Origin, out.Host().Size(e.Origin)
	}
	if same, _ := p.rights.around(k, false, e.Time, true); same != none {
		if q := p.rights.slab.get(same); q.ev.Time.Equal(e.Time) {
			if old := &q.ev.Value; !v.before(old) {
				p.bytes += v.size - old.size
				*old = v
			}
			return
		}
	}
	r, q := p.rights.slab.add()
	q.ev, q.hash = record.Event[version[T]]{Value: v, Time: e.Time}, p.rights.hash(k, false)
	p.rights.plant(k, r)
	p.expire.add(r)
	p.live++
	p.bytes += v.size
}

func (p *asOf[T, K]) forget(r ref) {
	p.bytes -= p.rights.slab.get(r).ev.Value.size
	p.rights.uproot(r)
	p.expire.remove(r)
	p.live--
}
