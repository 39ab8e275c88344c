package join

import (
	"context"
	"hash/maphash"
	"time"

	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// processor joins the events of one lane. No two waiting events match, or, with Settled, none were decided. So the state
// depends on which events are pending, not on the order in which they came.
type processor[T any, K comparable] struct {
	*joiner[T, K]
	lane      string
	seed      maphash.Seed
	salt      uint32 // of rank
	eventTime time.Time
	slab      slab[T]
	index     index
	timers    timers[T]
	live      int // without those that are gone and only wait for the heap

	left, right record.Event[T] // the pair that is being merged
	out         *stage.Emitter[T]
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
		if p.live > p.opts.MaxPending && p.opts.MaxPending > 0 {
			return &PendingError{Lane: p.lane, Pending: p.live, MaxEventTime: p.eventTime}
		}
	}
	return nil
}

// look calls key and isLeft. An event that makes one of them panic is rejected, so later calls need no guard.
func (p *processor[T, K]) look(e *T) (k K, right bool, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = record.Caught(v)
		}
	}()
	var zero K
	if k = p.key(e); k == zero {
		return k, false, nil
	}
	return k, !p.isLeft(e), nil
}

// merged is merge of left and right.
func (p *processor[T, K]) merged() (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = record.Caught(v)
		}
	}()
	p.merge(&p.left.Value, &p.right.Value)
	return nil
}

// Advance lets go of what no event within Grace can match any more.
func (p *processor[T, K]) Advance(_ context.Context, eventTime time.Time, out *stage.Emitter[T]) error {
	p.eventTime, p.out = eventTime, out
	for {
		r := p.timers.next(eventTime)
		if r == none {
			return nil
		}
		q := p.slab.get(r)
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
		case right:
			out.Drop(e.Origin, record.Filtered, "unmatched")
		case p.inner:
			out.Drop(e.Origin, record.Filtered, "unmatched left")
		default:
			out.Emit(e)
		}
	}
}

// pair merges e, which does not wait, with mate, which does, and emits the left one.
func (p *processor[T, K]) pair(e *record.Event[T], mate ref, right bool) {
	// merge gets pointers, so what they point to is on the heap: one place for all pairs.
	p.left, p.right = p.slab.get(mate).ev, *e
	p.drop(mate)
	p.out.Release(p.left.Origin)
	if !right {
		p.left, p.right = p.right, p.left
	}
	if err := p.merged(); err != nil { // nobody knows which of them it was
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
	r, q := p.slab.add()
	q.ev, q.right, q.hash = *e, right, p.hash(k, right)
	p.plant(k, r)
	p.timers.add(r)
	p.live++
	p.out.Hold(e.Origin)
}

func (p *processor[T, K]) drop(r ref) {
	p.uproot(r)
	p.timers.remove(r)
	p.live--
}

func (p *processor[T, K]) hash(k K, right bool) uint32 {
	h := maphash.Comparable(p.seed, k)
	if right {
		h ^= 1 << 31
	}
	return uint32(h)
}

// dueBefore orders timers by their moment. At one moment right events come first, so that each is decided while the left
// ones are still there.
func (p *processor[T, K]) dueBefore(a, b dueRef) bool {
	if a.micro != b.micro {
		return a.micro < b.micro
	}
	x, y := p.slab.get(a.ref), p.slab.get(b.ref)
	if c := p.timers.at(x).Compare(p.timers.at(y)); c != 0 {
		return c < 0
	}
	if x.right != y.right {
		return x.right
	}
	// Among those of one side the order matters only where timers form pairs.
	return p.opts.Settled && x.state != gone && y.state != gone && p.before(&x.ev, &y.ev)
}

// before is the order of events: by time, then by partition and position.
func (p *processor[T, K]) before(a, b *record.Event[T]) bool {
	if c := a.Time.Compare(b.Time); c != 0 {
		return c < 0
	}
	if a.Origin == b.Origin {
		return false
	}
	x, y := p.out.Lookup(a.Origin), p.out.Lookup(b.Origin)
	if c := x.Partition.Compare(*y.Partition); c != 0 {
		return c < 0
	}
	return x.Position.Compare(y.Position) < 0
}
