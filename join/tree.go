package join

import "time"

// The waiting events of one key and side are a treap: a search tree by before, and a heap by a number that is made of an
// event's place. Mostly it has one event. With a key that has everything, such as a bot's session, it is what keeps
// finding a partner or a place from looking at each event that waits.

// place is where the index has the tree of a key and side, or would have it.
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
	var prev, next ref
	for r := p.index.at[p.place(k, p.hash(k, !right), !right)].root; r != none; {
		q := p.slab.get(r)
		if c := q.ev.Time.Compare(t); c < 0 || c == 0 && right {
			prev, r = r, q.newer
		} else {
			next, r = r, q.older
		}
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

// plant puts r into the tree of its key and side, behind those that are equal.
func (p *processor[T, K]) plant(k K, r ref) {
	p.index.reserve()
	q := p.slab.get(r)
	e := &p.index.at[p.place(k, q.hash, q.right)]
	if e.root == none {
		*e = entry{hash: q.hash, root: r}
		p.index.live++
		return
	}
	at := &e.root
	for *at != none && p.rank(*at) >= p.rank(r) {
		if o := p.slab.get(*at); p.before(&q.ev, &o.ev) {
			at = &o.older
		} else {
			at = &o.newer
		}
	}
	// What is below goes to the two sides of r.
	older, newer := &q.older, &q.newer
	for o := *at; o != none; {
		if x := p.slab.get(o); p.before(&q.ev, &x.ev) {
			*newer, newer, o = o, &x.older, x.older
		} else {
			*older, older, o = o, &x.newer, x.newer
		}
	}
	*older, *newer, *at = none, none, r
}

// uproot takes r out of its tree.
func (p *processor[T, K]) uproot(r ref) {
	q := p.slab.get(r)
	i := p.index.find(q.hash, func(h ref) bool {
		if h == r {
			return true
		}
		o := p.slab.get(h)
		return o.right == q.right && p.key(&o.ev.Value) == p.key(&q.ev.Value)
	})
	if q.older == none && q.newer == none && p.index.at[i].root == r { // mostly it is alone
		p.index.remove(i)
		return
	}
	at := p.find(&p.index.at[i].root, r)
	older, newer := q.older, q.newer
	for older != none && newer != none { // the two sides become one
		if p.rank(older) >= p.rank(newer) {
			*at, at = older, &p.slab.get(older).newer
			older = *at
		} else {
			*at, at = newer, &p.slab.get(newer).older
			newer = *at
		}
	}
	*at = max(older, newer)
	if p.index.at[i].root == none {
		p.index.remove(i)
	}
}

// find returns where the number r is in the tree at at; nil if it is not there. Equal events, which are of one record, may
// be on either side of each other.
func (p *processor[T, K]) find(at *ref, r ref) *ref {
	q := p.slab.get(r)
	for *at != r {
		if *at == none {
			return nil
		}
		o := p.slab.get(*at)
		switch {
		case p.before(&q.ev, &o.ev):
			at = &o.older
		case p.before(&o.ev, &q.ev):
			at = &o.newer
		default:
			if found := p.find(&o.older, r); found != nil {
				return found
			}
			at = &o.newer
		}
	}
	return at
}

// rank is the heap's number of r. It need only look random.
func (p *processor[T, K]) rank(r ref) uint32 {
	x := uint32(r) ^ p.salt
	x = (x ^ x>>16) * 0x85ebca6b
	x = (x ^ x>>13) * 0xc2b2ae35
	return x ^ x>>16
}
