package kafka

import "slices"

// waiting are the deliveries that Poll has not returned, in order. Taking one out costs the same wherever it is: a process
// may have thousands of lanes, and at a rebalance each looks for its own. Its zero value is ready; Source.mu guards it.
type waiting struct {
	list  []*delivery // nil where one was taken out
	first int         // number of list[0], counted from the first that ever came
	n     int         // that are there
}

func (w *waiting) add(d *delivery) {
	d.number = w.first + len(w.list)
	w.list = append(w.list, d)
	w.n++
	d.lane.waiting = append(d.lane.waiting, d)
}

// remove takes d out.
func (w *waiting) remove(d *delivery) {
	w.list[d.number-w.first] = nil
	w.n--
	l := d.lane
	if i := slices.Index(l.waiting, d); i >= 0 { // mostly the first
		l.waiting = slices.Delete(l.waiting, i, i+1)
	}
	for len(w.list) > 0 && w.list[0] == nil {
		w.list, w.first = w.list[1:], w.first+1
	}
	if len(w.list) > 2*w.n+64 { // those of paused lanes stay in front
		w.list = slices.DeleteFunc(w.list, func(d *delivery) bool { return d == nil })
		for i, d := range w.list {
			d.number = w.first + i
		}
	}
}

// ready is the first delivery of a lane that is not paused; nil if there is none.
func (w *waiting) ready() *delivery {
	for _, d := range w.list {
		if d != nil && !d.lane.paused {
			return d
		}
	}
	return nil
}

// all are those that wait, in order.
func (w *waiting) all() []*delivery {
	return slices.DeleteFunc(slices.Clone(w.list), func(d *delivery) bool { return d == nil })
}
