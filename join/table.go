package join

import (
	"hash/maphash"
	"math/rand/v2"
	"time"

	"github.com/onceflow/onceflow/stream/record"
)

// table finds events by key, side and time. The events of one key and side are a treap: a search tree by before, and a heap
// by a number that is made of an event's place. Mostly it has one event. With a key that has everything, such as a bot's
// session, it is what keeps finding a partner or a place from looking at each event of the key.
type table[T any, K comparable] struct {
	slab  slab[T]
	index index
	key   func(*T) K
	where func(record.Origin) record.Ref // orders events of one time
	seed  maphash.Seed
	salt  uint32 // of rank
}

func (t *table[T, K]) init(key func(*T) K, where func(record.Origin) record.Ref) {
	t.key, t.where, t.seed, t.salt = key, where, maphash.MakeSeed(), rand.Uint32()
}

func (t *table[T, K]) hash(k K, right bool) uint32 {
	h := maphash.Comparable(t.seed, k)
	if right {
		h ^= 1 << 31
	}
	return uint32(h)
}

// place is where the index has the tree of a key and side, or would have it.
func (t *table[T, K]) place(k K, hash uint32, right bool) int {
	return t.index.find(hash, func(r ref) bool {
		q := t.slab.get(r)
		return q.right == right && t.key(&q.ev.Value) == k
	})
}

// around returns the neighbours of a time among the events of a key and side: the newest one before it and the oldest one
// behind it. An event of that very time is before it if same is true, else behind it.
func (t *table[T, K]) around(k K, right bool, at time.Time, same bool) (before, behind ref) {
	if t.index.live == 0 {
		return none, none
	}
	for r := t.index.at[t.place(k, t.hash(k, right), right)].root; r != none; {
		q := t.slab.get(r)
		if c := q.ev.Time.Compare(at); c < 0 || c == 0 && same {
			before, r = r, q.newer
		} else {
			behind, r = r, q.older
		}
	}
	return before, behind
}

// plant puts r into the tree of its key and side, behind those that are equal.
func (t *table[T, K]) plant(k K, r ref) {
	t.index.reserve()
	q := t.slab.get(r)
	e := &t.index.at[t.place(k, q.hash, q.right)]
	if e.root == none {
		*e = entry{hash: q.hash, root: r}
		t.index.live++
		return
	}
	at := &e.root
	for *at != none && t.rank(*at) >= t.rank(r) {
		if o := t.slab.get(*at); t.before(&q.ev, &o.ev) {
			at = &o.older
		} else {
			at = &o.newer
		}
	}
	// What is below goes to the two sides of r.
	older, newer := &q.older, &q.newer
	for o := *at; o != none; {
		if x := t.slab.get(o); t.before(&q.ev, &x.ev) {
			*newer, newer, o = o, &x.older, x.older
		} else {
			*older, older, o = o, &x.newer, x.newer
		}
	}
	*older, *newer, *at = none, none, r
}

// uproot takes r out of its tree.
func (t *table[T, K]) uproot(r ref) {
	q := t.slab.get(r)
	i := t.index.find(q.hash, func(h ref) bool {
		if h == r {
			return true
		}
		o := t.slab.get(h)
		return o.right == q.right && t.key(&o.ev.Value) == t.key(&q.ev.Value)
	})
	if q.older == none && q.newer == none && t.index.at[i].root == r { // mostly it is alone
		t.index.remove(i)
		return
	}
	at := t.find(&t.index.at[i].root, r)
	older, newer := q.older, q.newer
	for older != none && newer != none { // the two sides become one
		if t.rank(older) >= t.rank(newer) {
			*at, at = older, &t.slab.get(older).newer
			older = *at
		} else {
			*at, at = newer, &t.slab.get(newer).older
			newer = *at
		}
	}
	*at = max(older, newer)
	if t.index.at[i].root == none {
		t.index.remove(i)
	}
}

// find returns where the number r is in the tree at at; nil if it is not there. Equal events, which are of one record, may
// be on either side of each other.
func (t *table[T, K]) find(at *ref, r ref) *ref {
	q := t.slab.get(r)
	for *at != r {
		if *at == none {
			return nil
		}
		o := t.slab.get(*at)
		switch {
		case t.before(&q.ev, &o.ev):
			at = &o.older
		case t.before(&o.ev, &q.ev):
			at = &o.newer
		default:
			if found := t.find(&o.older, r); found != nil {
				return found
			}
			at = &o.newer
		}
	}
	return at
}

// rank is the heap's number of r. It need only look random.
func (t *table[T, K]) rank(r ref) uint32 {
	x := uint32(r) ^ t.salt
	x = (x ^ x>>16) * 0x85ebca6b
	x = (x ^ x>>13) * 0xc2b2ae35
	return x ^ x>>16
}

// before is the order of events: by time, then by partition and position.
func (t *table[T, K]) before(a, b *record.Event[T]) bool {
	if c := a.Time.Compare(b.Time); c != 0 {
		return c < 0
	}
	if a.Origin == b.Origin {
		return false
	}
	x, y := t.where(a.Origin), t.where(b.Origin)
	if c := x.Partition.Compare(*y.Partition); c != 0 {
		return c < 0
	}
	return x.Position.Compare(y.Position) < 0
}
