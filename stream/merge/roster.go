package merge

import (
	"fmt"
	"slices"

	"github.com/onceflow/onceflow/internal/sourcename"
	"github.com/onceflow/onceflow/stream/driver"
)

// roster is which lanes the sides have. The goroutine of Poll uses it.
type roster struct {
	opts   *Options
	open   func(id, name string) *lane
	sides  []*side           // the naming one first
	ids    map[string]string // of partitions, by lanes of sides
	lanes  map[string]*lane  // that all sides have, by ID
	named  map[string]*lane  // by name
	inputs map[string]*lane  // by the names that sides have for them
	say    []*driver.Batch   // assignments and revocations
	letGo  bool              // the others are to be told that the naming side has lost lanes
	part   int64             // of the buffer, for each side of a lane
}

// assigned takes in what a side was assigned.
func (r *roster) assigned(list []driver.Assignment) error {
	anew := false
	for _, a := range list {
		i := r.sideOf(a.Lane)
		if len(a.Partitions) != 1 {
			return fmt.Errorf("merge: lane %q of side %q has %d partitions; make each topic a side of its own", a.Lane, r.sides[i].name, len(a.Partitions))
		}
		id := a.Partitions[0].ID
		r.sides[i].has[id] = a
		r.ids[a.Lane] = id
		anew = anew || i == 0
	}
	if anew {
		r.give()
	}
	r.announce()
	return nil
}

// announce tells of the lanes that all sides have.
func (r *roster) announce() {
	b := &driver.Batch{}
	for id, first := range r.sides[0].has {
		if r.lanes[id] != nil || slices.ContainsFunc(r.sides, func(o *side) bool { _, has := o.has[id]; return !has }) {
			continue
		}
		a := driver.Assignment{Lane: first.Lane}
		l := r.open(id, first.Lane)
		for i, o := range r.sides {
			of := o.has[id]
			a.Partitions = append(a.Partitions, of.Partitions[0])
			l.in[i].lane, l.in[i].part = of.Lane, of.Partitions[0]
			r.inputs[of.Lane] = l
		}
		r.lanes[id], r.named[first.Lane] = l, l
		b.Assigned = append(b.Assigned, a)
	}
	if len(b.Assigned) > 0 {
		slices.SortFunc(b.Assigned, func(x, y driver.Assignment) int { return x.Partitions[0].Compare(y.Partitions[0]) })
		r.say = append(r.say, b)
		r.share()
	}
}

// revoked takes in what a side has lost. If another one than the naming side has, the lane comes back once it has it again.
func (r *roster) revoked(b *driver.Batch) {
	out := &driver.Batch{Deadline: b.Deadline}
	for _, lane := range b.Revoked {
		i, id := r.sideOf(lane), r.ids[lane]
		delete(r.sides[i].has, id)
		delete(r.ids, lane)
		if i == 0 {
			r.letGo = true
		}
		if l := r.lanes[id]; l != nil {
			out.Revoked = append(out.Revoked, l.name)
			r.forget(l)
		}
	}
	if len(out.Revoked) > 0 {
		r.say = append(r.say, out)
		r.share()
	}
}

// forget drops a lane and what waits in it.
func (r *roster) forget(l *lane) {
	l.clear()
	delete(r.lanes, l.id)
	delete(r.named, l.name)
	for i := range l.in {
		delete(r.inputs, l.in[i].lane)
	}
	l.gone = true
}

// give tells the other sides which lanes the naming side has.
func (r *roster) give() {
	r.letGo = false
	ids := make([]string, 0, len(r.sides[0].has))
	for id := range r.sides[0].has {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, o := range r.sides[1:] {
		o.given.Give(ids)
	}
}

// sideOf is the index of the side that a lane, or the source of a partition, belongs to.
func (r *roster) sideOf(lane string) int {
	name, _ := sourcename.Split(lane)
	i := slices.IndexFunc(r.sides, func(o *side) bool { return o.name == name })
	if i < 0 { // of the side without a name, which looks like that of another
		i = slices.IndexFunc(r.sides, func(o *side) bool { return o.name == "" })
	}
	return i
}

// share parts the buffer.
func (r *roster) share() {
	r.part = max(r.opts.Buffer/int64(max(len(r.lanes), 1)*len(r.sides)), 64<<10)
}
