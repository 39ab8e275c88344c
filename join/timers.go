package join

import "time"

// timers find the pending event that is due next without a look at each. Events lie in buckets of event time, and only the
// bucket that is reached next is sorted. Removing one only unlinks it.
type timers[T any] struct {
	slab  *slab[T]
	less  func(a, b dueRef) bool
	delay [2]time.Duration // by pending.timer, from an event's time on
	width int64            // seconds of a bucket

	buckets map[int64]ref // the first of each bucket that is still unordered
	order   []int64       // heap of their numbers
	due     []dueRef      // heap of the events of bucket reached and all before it
	reached int64
}

// dueRef is an event in the heap with its moment, so that most comparisons need not look at the events.
type dueRef struct {
	micro int64 // since 1970
	ref   ref
}

const minBucket = -1 << 63

// init gives the two delays, and how much event time the events that wait are of, about.
func (t *timers[T]) init(s *slab[T], first, second, span time.Duration, less func(a, b dueRef) bool) {
	t.slab, t.less = s, less
	t.delay = [2]time.Duration{first, second}
	t.width = max(1, int64(span/time.Second/128))
	t.buckets, t.reached = map[int64]ref{}, minBucket
}

func (t *timers[T]) at(p *pending[T]) time.Time { return p.ev.Time.Add(t.delay[p.timer&1]) }

func (t *timers[T]) bucket(p *pending[T]) int64 {
	s := t.at(p).Unix()
	b := s / t.width
	if s < 0 && s%t.width != 0 {
		b--
	}
	return b
}

func (t *timers[T]) add(r ref) {
	p := t.slab.get(r)
	b := t.bucket(p)
	if b <= t.reached {
		t.arm(r, p)
		return
	}
	first, ok := t.buckets[b]
	if !ok {
		t.order = push(t.order, b, lessInt)
	}
	p.state, p.prev, p.next = waiting, none, first
	if first != none {
		t.slab.get(first).prev = r
	}
	t.buckets[b] = r
}

func (t *timers[T]) arm(r ref, p *pending[T]) {
	p.state = due
	t.due = push(t.due, dueRef{t.at(p).UnixMicro(), r}, t.less)
}

// remove takes r out. It frees r's place at once, or when the heap reaches it.
func (t *timers[T]) remove(r ref) {
	p := t.slab.get(r)
	if p.state == due {
		*p = pending[T]{ev: p.ev, right: p.right, timer: p.timer, state: gone} // the heap still compares its time
		var zero T
		p.ev.Value = zero
		return
	}
	if p.next != none {
		t.slab.get(p.next).prev = p.prev
	}
	if p.prev != none {
		t.slab.get(p.prev).next = p.next
	} else {
		t.buckets[t.bucket(p)] = p.next
	}
	t.slab.remove(r)
}

// next returns the earliest event that is due before eventTime, or none. The event stays until remove.
func (t *timers[T]) next(eventTime time.Time) ref {
	for {
		for len(t.due) > 0 {
			r := t.due[0].ref
			p := t.slab.get(r)
			if p.state != gone {
				if t.at(p).Before(eventTime) {
					return r
				}
				return none
			}
			t.due = pop(t.due, t.less)
			t.slab.remove(r)
		}
		if len(t.order) == 0 {
			t.due = nil // all have left: give the room of the busiest second back
			return none
		}
		if t.order[0]*t.width > eventTime.Unix() {
			return none
		}
		b := t.order[0]
		t.order = pop(t.order, lessInt)
		for r := t.buckets[b]; r != none; {
			p := t.slab.get(r)
			next := p.next
			t.arm(r, p)
			r = next
		}
		delete(t.buckets, b)
		t.reached = b
	}
}

// again gives r, which next has just returned, its second delay.
func (t *timers[T]) again(r ref) {
	t.due = pop(t.due, t.less)
	t.slab.get(r).timer = 1
	t.add(r)
}

func lessInt(a, b int64) bool { return a < b }
