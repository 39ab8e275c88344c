package lane

import (
	"github.com/onceflow/onceflow/stream/record"
)

// slotTable holds the records of a lane that are in flight or pending. An Origin has the index of a slot and its
// generation, so the use of an origin after its record has finished is noticed.
type slotTable struct {
	slots []slot
	free  []uint32
	live  int
}

// slot is one record. Merged records form a group. The parents make it a tree, whose root counts the holds of all; next
// makes it a ring, to visit the members.
type slot struct {
	gen    uint32
	part   uint32 // index of the partition in the lane
	holds  int32  // at a root: how often members of the group are held
	parent uint32
	next   uint32

	before, after uint32 // neighbours in the partition's list of pending records, by index + 1; 0 is none

	rec   int32       // index in the batch in progress; -1 when that is over
	stash uint32      // first row that waits, index + 1; 0 is none
	bytes uint32      // of the record, while it is pending
	why   uint16      // number of the reason: of Drop, or of a row that could not be written
	fate  record.Fate // of Drop
	flags flags

	ord       uint64 // ordinal; see PendingSet
	time      int64  // smallest event time, in microseconds since 1970; only if flagTimed
	eventTime int64  // Progress.MaxEventTime when it was read, in microseconds; if replayed, at most its event time
	pos       record.Position
}

type flags uint16

const (
	flagLive flags = 1 << iota
	flagReplayed
	flagWarm
	flagTimed
	flagMerged
	flagDropped
	flagRejected
	flagWritten // a row of it was written
	flagLate
	flagBad
	flagLinked // in the list of pending records
	flagSettling
)

// add makes a slot.
func (t *slotTable) add() uint32 {
	t.live++
	var i uint32
	if n := len(t.free); n > 0 {
		i = t.free[n-1]
		t.free = t.free[:n-1]
	} else {
		i = uint32(len(t.slots))
		t.slots = append(t.slots, slot{gen: 1})
	}
	s := &t.slots[i]
	*s = slot{gen: s.gen, parent: i, next: i, flags: flagLive}
	return i
}

// remove frees a slot. Its origin is not valid any more.
func (t *slotTable) remove(i uint32) {
	s := &t.slots[i]
	s.gen++
	if s.gen == 0 {
		s.gen = 1
	}
	s.flags = 0
	s.pos.Seq = "" // do not keep the string alive
	t.free = append(t.free, i)
	t.live--
}

// get returns the slot of o, or nil if o is finished or never was.
func (t *slotTable) get(o record.Origin) *slot {
	i, gen := o.Parts()
	if int(i) >= len(t.slots) {
		return nil
	}
	s := &t.slots[i]
	if s.gen != gen || s.flags&flagLive == 0 {
		return nil
	}
	return s
}

// slotOf is the index of the slot of o.
func slotOf(o record.Origin) uint32 {
	i, _ := o.Parts()
	return i
}

// root returns the root of i's group.
func (t *slotTable) root(i uint32) uint32 {
	for {
		p := t.slots[i].parent
		if p == i {
			return i
		}
		g := t.slots[p].parent
		t.slots[i].parent = g // halve the path, so that long chains of merges stay cheap
		i = g
	}
}

// merge joins the groups of a and b.
func (t *slotTable) merge(a, b uint32) {
	ra, rb := t.root(a), t.root(b)
	if ra == rb {
		return
	}
	t.slots[rb].parent = ra
	t.slots[ra].holds += t.slots[rb].holds
	t.slots[ra].next, t.slots[rb].next = t.slots[rb].next, t.slots[ra].next // two rings become one
}

// pendingList links the pending records of a partition in the order of their positions.
type pendingList struct {
	first, last uint32 // index + 1
	n           int
}

func (t *slotTable) link(l *pendingList, i uint32) {
	s := &t.slots[i]
	s.flags |= flagLinked
	s.before, s.after = l.last, 0
	if l.last == 0 {
		l.first = i + 1
	} else {
		t.slots[l.last-1].after = i + 1
	}
	l.last = i + 1
	l.n++
}

func (t *slotTable) unlink(l *pendingList, i uint32) {
	s := &t.slots[i]
	s.flags &^= flagLinked
	if s.before == 0 {
		l.first = s.after
	} else {
		t.slots[s.before-1].after = s.after
	}
	if s.after == 0 {
		l.last = s.before
	} else {
		t.slots[s.after-1].before = s.before
	}
	l.n--
}
