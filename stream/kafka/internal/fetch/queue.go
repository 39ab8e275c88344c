package fetch

import (
	"slices"

	"github.com/onceflow/onceflow/internal/retry"
)

// queue has the deliveries that Next has not returned, in order. Removing one costs the same wherever it is, since a
// process may have thousands of lanes, each of which looks for its own at a rebalance. Reader.mu guards it.
type queue struct {
	ready chan struct{} // gives a value when there may be something new
	list  []*delivery   // nil where one was taken out
	base  int           // number of list[0], counted from the first that ever came
	n     int           // that are there
}

func (q *queue) add(d *delivery) {
	d.number = q.base + len(q.list)
	q.list = append(q.list, d)
	q.n++
	d.lane.waiting = append(d.lane.waiting, d)
}

// remove takes d out.
func (q *queue) remove(d *delivery) {
	q.list[d.number-q.base] = nil
	q.n--
	l := d.lane
	if i := slices.Index(l.waiting, d); i >= 0 { // mostly the first
		l.waiting = slices.Delete(l.waiting, i, i+1)
	}
	for len(q.list) > 0 && q.list[0] == nil {
		q.list, q.base = q.list[1:], q.base+1
	}
	if len(q.list) > 2*q.n+64 { // those of paused lanes stay in front
		q.list = slices.DeleteFunc(q.list, func(d *delivery) bool { return d == nil })
		for i, d := range q.list {
			d.number = q.base + i
		}
	}
}

// first is the first delivery of a lane that is not paused; nil if there is none.
func (q *queue) first() *delivery {
	for _, d := range q.list {
		if d != nil && !d.lane.paused {
			return d
		}
	}
	return nil
}

// all are those that wait, in order.
func (q *queue) all() []*delivery {
	return slices.DeleteFunc(slices.Clone(q.list), func(d *delivery) bool { return d == nil })
}

// signal says that there may be something new.
func (q *queue) signal() { retry.Wake(q.ready) }
