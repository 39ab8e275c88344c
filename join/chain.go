package join

import "time"

// The waiting events of one key and side are a chain from the newest to the oldest. Events mostly come in the order of
// their times, so the place of a new one, and the partner of an event, is near the newest.

func (p *processor[T, K]) place(k K, hash uint32, right bool) int {
	return p.index.find(hash, func(r ref) bool {
		q := p.slab.get(r)
		return q.right == right && p.key(&q.ev.Value) == k
	})
}

// mate is the waiting event that an event of key k takes, or none.
func (p *processor[T, K]) mate(k K, t time.Time, right bool) ref {
	if p.index.live == 0 {
		return none
	}
	// prev is the newest one that is earlier than t, next the oldest one that is later; one of the same time counts as
	// the left before the right.
	var next ref
	prev := p.index.at[p.place(k, p.hash(k, !right), !right)].head
	for prev != none {
		q := p.slab.get(prev)
		c := q.ev.Time.Compare(t)
		if c < 0 || c == 0 && right {
			break
		}
		next, prev = prev, q.older
	}
	// A right event looks back first, a left one forward. If the nearest is too far away, so are all behind it.
	backward, forward := p.opts.Window, p.opts.Early
	if !right {
		backward, forward = p.opts.Early, p.opts.Window
		if next != none && p.slab.get(next).ev.Time.Sub(t) <= forward {
			return next
		}
	}
	if prev != none && t.Sub(p.slab.get(prev).ev.Time) <= backward {
		return prev
	}
	if next != none && p.slab.get(next).ev.Time.Sub(t) <= forward {
		return next
	}
	return none
}

// chain puts r into the chain of its key and side.
func (p *processor[T, K]) chain(k K, r ref) {
	p.index.reserve()
	q := p.slab.get(r)
	i := p.place(k, q.hash, q.right)
	e := &p.index.at[i]
	if e.head == none {
		*e = entry{hash: q.hash, head: r}
		p.index.live++
		return
	}
	var newer ref
	older := e.head
	for older != none && p.before(&q.ev, &p.slab.get(older).ev) {
		newer, older = older, p.slab.get(older).older
	}
	q.older, q.newer = older, newer
	if older != none {
		p.slab.get(older).newer = r
	}
	if newer != none {
		p.slab.get(newer).older = r
	} else {
		e.head = r
	}
}

// unchain takes r out of its chain.
func (p *processor[T, K]) unchain(r ref) {
	q := p.slab.get(r)
	if q.older != none {
		p.slab.get(q.older).newer = q.newer
	}
	if q.newer != none {
		p.slab.get(q.newer).older = q.older
		return
	}
	i := p.index.find(q.hash, func(h ref) bool { return h == r })
	if q.older != none {
		p.index.at[i].head = q.older
	} else {
		p.index.remove(i)
	}
}
