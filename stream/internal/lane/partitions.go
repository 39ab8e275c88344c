package lane

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/onceflow/onceflow/internal/eventclock"
	"github.com/onceflow/onceflow/internal/when"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// ErrSource says that a source breaks its contract, so going on could lose or double records.
var ErrSource = errors.New("stream: the source breaks its contract")

// partitions has the partitions of a lane: how far each was read, and whether there is anything new to commit.
//
// A lane may have thousands of partitions that end one after the other, as the files of a folder do. A partition that has
// ended and holds nothing is dropped once that is committed. After that it costs neither time at a cut nor memory.
type partitions struct {
	lane   string
	list   []part
	elders []record.Partition // outside the lane, of whose records a warm-up may speak
	past   time.Time          // newest clock of the partitions that were dropped
	dirty  bool               // there is something to commit

	byPtr  map[*record.Partition]uint32
	byID   map[record.Partition]uint32
	lastID *record.Partition // of the last record, and its index
	lastAt uint32
}

func newPartitions(a driver.Assignment, from map[record.Partition]driver.Progress) partitions {
	ps := partitions{
		lane: a.Lane, elders: a.Elders, dirty: a.Moved,
		byPtr: map[*record.Partition]uint32{}, byID: map[record.Partition]uint32{},
	}
	for i, id := range a.Partitions {
		ps.byID[id] = uint32(i)
		ps.list = append(ps.list, newPart(id, from[id]))
	}
	for i := range ps.list {
		ps.replace(&ps.list[i])
	}
	return ps
}

// replaying counts the pending records that are not back.
func (ps *partitions) replaying() (n int) {
	for i := range ps.list {
		n += len(ps.list[i].back.ordinals)
	}
	return n
}

// replace looks whether the children of a partition are in the lane.
func (ps *partitions) replace(p *part) {
	p.replaced = !slices.ContainsFunc(p.child, func(q record.Partition) bool { _, ok := ps.byID[q]; return !ok })
}

// index returns the index of a record's partition.
func (ps *partitions) index(id *record.Partition) (uint32, error) {
	if id == ps.lastID && id != nil {
		return ps.lastAt, nil
	}
	if id == nil {
		return 0, fmt.Errorf("%w: a record has no partition", ErrSource)
	}
	i, ok := ps.byPtr[id]
	if !ok {
		if i, ok = ps.byID[*id]; !ok {
			return 0, fmt.Errorf("%w: a record of %v, which is no partition of lane %s", ErrSource, *id, ps.lane)
		}
		if len(ps.byPtr) >= 1024 { // a source that makes a new pointer for each batch must not fill the memory
			clear(ps.byPtr)
		}
		ps.byPtr[id] = i
	}
	ps.lastID, ps.lastAt = id, i
	return i, nil
}

// elderOrOwn is index, but also takes elders. Their indexes follow those of the lane's own partitions.
func (ps *partitions) elderOrOwn(id *record.Partition) (uint32, error) {
	if len(ps.elders) > 0 && id != nil {
		if i := slices.Index(ps.elders, *id); i >= 0 {
			return uint32(len(ps.list) + i), nil
		}
	}
	return ps.index(id)
}

// id is the partition at an index that elderOrOwn gave.
func (ps *partitions) id(at uint32) *record.Partition {
	if n := len(ps.list); int(at) >= n {
		return &ps.elders[int(at)-n]
	}
	return &ps.list[at].id
}

// named returns the partition with an ID, or nil.
func (ps *partitions) named(id record.Partition) *part {
	if i, ok := ps.byID[id]; ok {
		return &ps.list[i]
	}
	return nil
}

// pass takes in positions at which there was nothing to read.
func (ps *partitions) pass(passed []driver.Passed) error {
	for _, e := range passed {
		p := ps.named(e.Partition)
		if p == nil {
			return fmt.Errorf("%w: it passed positions of %v, which is no partition of lane %s", ErrSource, e.Partition, ps.lane)
		}
		if e.UpTo.After(p.upTo) {
			p.upTo = e.UpTo // without dirty: alone it is no reason to commit
		}
	}
	return nil
}

// end notes that partitions have ended. now is by the output's clock.
func (ps *partitions) end(ended []driver.Ended, now time.Time) error {
	for _, e := range ended {
		p := ps.named(e.Partition)
		if p == nil {
			return fmt.Errorf("%w: %v ended, which is no partition of lane %s", ErrSource, e.Partition, ps.lane)
		}
		if len(p.back.ordinals) > 0 {
			return fmt.Errorf("%w: %v ended before %d of its pending records were back", ErrSource, p.id, len(p.back.ordinals))
		}
		if p.ended {
			continue
		}
		p.ended, p.child, ps.dirty = true, e.Children, true
		if len(e.Children) == 0 {
			p.clock.Confirm(now)
		} else {
			p.clock.Jump = eventclock.Jump{} // children begin with what is certain, and confirm it for themselves
		}
		ps.replace(p)
	}
	return nil
}

// takeMarks notes the marks whose positions were reached. It ignores marks of records that an earlier run consumed.
func (ps *partitions) takeMarks(marks []driver.Mark) error {
	for i := range marks {
		m := &marks[i]
		p := ps.named(m.Partition)
		if p == nil {
			return fmt.Errorf("%w: it marked %v, which is no partition of lane %s", ErrSource, m.Partition, ps.lane)
		}
		if !plainMark(m.Text) {
			return fmt.Errorf("%w: the mark %q of %v is not of 1 to %d printable characters", ErrSource, m.Text, m.Partition, driver.MaxMark)
		}
		if m.At.After(p.marked) && !m.At.After(p.upTo) {
			p.mark, p.marked = m.Text, m.At
		}
	}
	return nil
}

func plainMark(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return s != "" && len(s) <= driver.MaxMark
}

// dropSpent drops the spent partitions once they are half of all. Cut calls it. The last cut has committed their end, or
// else the lane would have begun again. One partition stays, so that a cut of the lane is never empty.
func (ps *partitions) dropSpent(t *slotTable) {
	n := 0
	for i := range ps.list {
		if ps.list[i].spent() {
			n++
		}
	}
	if n == 0 || n < len(ps.list)-n || len(ps.list) == 1 {
		return
	}
	left := make([]part, 0, max(len(ps.list)-n, 1)) // a new one: stages may have pointers to IDs in the old one
	for i := range ps.list {
		p := &ps.list[i]
		if p.spent() && (len(left) > 0 || i < len(ps.list)-1) {
			ps.past = when.Later(ps.past, p.clock.MaxEventTime)
			continue
		}
		for s := p.pending.first; s != 0; s = t.slots[s-1].after {
			t.slots[s-1].part = uint32(len(left))
		}
		left = append(left, *p)
	}
	ps.list = left
	ps.byID, ps.byPtr, ps.lastID = make(map[record.Partition]uint32, len(left)), map[*record.Partition]uint32{}, nil
	for i := range left {
		ps.byID[left[i].id] = uint32(i)
	}
}

// cut returns the progress since the last cut, and begins the next.
func (ps *partitions) cut(t *slotTable) (driver.LaneCut, error) {
	ps.dropSpent(t)
	n := len(ps.list)
	cut := driver.LaneCut{
		Lane: ps.lane, Partitions: make(map[record.Partition]driver.Progress, n),
		Counts: make(map[record.Partition]record.Counts, n), Read: make(map[record.Partition]int64, n),
	}
	for i := range ps.list {
		p := &ps.list[i]
		g, err := p.progress(t)
		if err != nil {
			return driver.LaneCut{}, err
		}
		cut.Partitions[p.id], cut.Counts[p.id], cut.Read[p.id] = g, p.counts, p.read
		p.base, p.counts, p.read, p.told = g, record.Counts{}, 0, p.ended
	}
	ps.dirty = false
	return cut, nil
}
