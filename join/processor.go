package join

import (
	"context"
	"time"

	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// processor joins the events of one lane one to one. No two waiting events match, or, with Settled, none were decided. So the
// state depends on which events are pending, not on the order in which they came.
type processor[T any, K comparable] struct {
	*joiner[T, K]
	lane      string
	eventTime time.Time
	table     table[T, K]
	timers    timers[T]
	live      int // without those that are gone and only wait for the heap

	left, right record.Event[T] // the pair that is being merged
	out         *stage.Emitter[T]
}

func (s *joiner[T, K]) openPairs(l *stage.Lane) stage.Processor[T, T] {
	p := &processor[T, K]{joiner: s, lane: l.Name}
	p.table.init(s.key, func(o record.Origin) record.Ref { return p.out.Lookup(o) })
	o := &s.opts
	left := o.Window + o.Grace
	if o.Settled {
		left += o.Early // a right event that may take it is decided before it leaves
	}
	p.timers.init(&p.table.slab, left, o.Early+o.Grace, o.Window+o.Early+o.Grace, p.dueBefore)
	return p
}

// Process pairs what it can and holds the rest.
func (p *processor[T, K]) Process(_ context.Context, in []record.Event[T], out *stage.Emitter[T]) error {
	p.out = out
	var zero K
	for i := range in {
		e := &in[i]
		k, right, err := p.look(&e.Value)
		if err != nil {
			out.Reject(e.Origin, err)
			continue
		}
		if k == zero {
			out.Emit(*e)
			continue
		}
		if !p.opts.Settled {
			if mate := p.mate(k, e.Time, right); mate != none {
				p.pair(e, mate, right)
				continue
			}
		}
		p.hold(k, e, right)
		if p.opts.exceeded(p.live) {
			return &PendingError{Lane: p.lane, Pending: p.live, MaxEventTime: p.eventTime}
		}
	}
	return nil
}

// mate is the waiting event that an event of key k takes, or none.
func (p *processor[T, K]) mate(k K, at time.Time, right bool) ref {
	t := &p.table
	prev, next := t.around(k, !right, at, right) // one of the same time counts as the left before the right
	// A right event looks back first, a left one forward. If the nearest is too far away, so are all behind it.
	backward, forward := p.opts.Window, p.opts.Early
	if !right {
		backward, forward = p.opts.Early, p.opts.Window
		if next != none && t.slab.get(next).ev.Time.Sub(at) <= forward {
			return next
		}
	}
	if prev != none && at.Sub(t.slab.get(prev).ev.Time) <= backward {
		return prev
	}
	if next != none && t.slab.get(next).ev.Time.Sub(at) <= forward {
		return next
	}
	return none
}

// Advance lets go of what no event within Grace can match any more.
func (p *processor[T, K]) Advance(_ context.Context, eventTime time.Time, out *stage.Emitter[T]) error {
	p.eventTime, p.out = eventTime, out
	for {
		r := p.timers.next(eventTime)
		if r == none {
			return nil
		}
		q := p.table.slab.get(r)
		if q.right && p.opts.Settled {
			if mate := p.mate(p.key(&q.ev.Value), q.ev.Time, true); mate != none {
				e := q.ev
				p.drop(r)
				out.Release(e.Origin)
				p.pair(&e, mate, true)
				continue
			}
		}
		e := q.ev
		right := q.right
		p.drop(r)
		out.Release(e.Origin)
		switch {
		case right && !p.opts.KeepRight:
			out.Drop(e.Origin, record.Filtered, "unmatched")
		case !right && p.kind == innerJoin:
			out.Drop(e.Origin, record.Filtered, "unmatched left")
		default:
			out.Emit(e)
		}
	}
}

// pair merges e, which does not wait, with mate, which does, and emits the left one.
func (p *processor[T, K]) pair(e *record.Event[T], mate ref, right bool) {
	// merge gets pointers, so what they point to is on the heap: one place for all pairs.
	p.left, p.right = p.table.slab.get(mate).ev, *e
	p.drop(mate)
	p.out.Release(p.left.Origin)
	if !right {
		p.left, p.right = p.right, p.left
	}
	if err := p.merged(&p.left.Value, &p.right.Value); err != nil { // nobody knows which of them it was
		p.out.Reject(p.left.Origin, err)
		p.out.Reject(p.right.Origin, err)
		p.left, p.right = record.Event[T]{}, record.Event[T]{}
		return
	}
	if p.left.Origin != p.right.Origin {
		p.out.Merge(p.left.Origin, p.right.Origin)
	}
	p.out.Emit(p.left)
	p.left, p.right = record.Event[T]{}, record.Event[T]{} // lets go of what they point to
}

func (p *processor[T, K]) hold(k K, e *record.Event[T], right bool) {
	r, q := p.table.slab.add()
	q.ev, q.right, q.hash = *e, right, p.table.hash(k, right)
	if right {
		q.timer = 1
	}
	p.table.plant(k, r)
	p.timers.add(r)
	p.live++
	p.out.Hold(e.Origin)
}

func (p *processor[T, K]) drop(r ref) {
	p.table.uproot(r)
	p.timers.remove(r)
	p.live--
}

// dueBefore orders timers by their moment. At one moment right events come first, so that each is decided while the left
// ones are still there.
func (p *processor[T, K]) dueBefore(a, b dueRef) bool {
	if a.micro != b.micro {
		return a.micro < b.micro
	}
	x, y := p.table.slab.get(a.ref), p.table.slab.get(b.ref)
	if c := p.timers.at(x).Compare(p.timers.at(y)); c != 0 {
		return c < 0
	}
	if x.right != y.right {
		return x.right
	}
	// Among those of one side the order matters only where timers form pairs.
	return p.opts.Settled && x.state != gone && y.state != gone && p.table.before(&x.ev, &y.ev)
}
