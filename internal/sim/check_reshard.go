package sim

import (
	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/stream/record"
)

// laneOf is the lane that the ledger has a partition in.
func (c *checker) laneOf(p *partition) string {
	if t := c.parts[p.id]; t != nil && t.lane != "" {
		return t.lane
	}
	return p.lane
}

// move notes in which lanes an entry has partitions, and which of them end by it.
func (c *checker) move(e *ledger.Entry) {
	c.ending = map[record.Partition]bool{}
	for i := range e.Commit.Lanes {
		l := &e.Commit.Lanes[i]
		for k := range l.Partitions {
			id := l.Partitions[k].Partition
			if c.parts[id] == nil {
				c.parts[id] = &truth{pending: map[int64]bool{}, finished: map[int64]bool{}}
			}
			c.parts[id].lane = l.Lane
			c.ending[id] = l.Partitions[k].Progress.Ended && !c.parts[id].ended
		}
	}
}

// order checks that a partition is read after all that it took over from, and together with what of that is pending.
func (c *checker) order(e *ledger.Entry, p *partition, next *truth) {
	if next.upTo == 0 {
		return
	}
	for _, q := range p.parents {
		t := c.parts[q.id]
		if t == nil || !t.ended {
			c.violation("entry %d reads %s, and its parent %s has not ended", e.ID, p.id.ID, q.id.ID)
		} else if len(t.pending) > 0 && t.lane != next.lane {
			c.violation("entry %d reads %s in lane %s, and its parent %s holds records in lane %s", e.ID, p.id.ID, next.lane, q.id.ID, t.lane)
		}
	}
	if len(p.parents) > 0 && next.upTo > 0 {
		c.descended++
	}
}

// children checks that an ended partition names what took its place, which from now on has its clocks.
func (c *checker) children(e *ledger.Entry) {
	for i := range e.Commit.Lanes {
		l := &e.Commit.Lanes[i]
		for k := range l.Partitions {
			pc := &l.Partitions[k]
			p := c.w.parts[pc.Partition]
			if !pc.Progress.Ended {
				continue
			}
			if len(pc.Progress.Children) != len(p.children) || pc.Progress.UpTo.Sub != int64(len(p.log)) {
				c.violation("entry %d ends %s at %s with %d children, it has %d and ends at %d", e.ID, p.id.ID, pc.Progress.UpTo,
					len(pc.Progress.Children), len(p.children), len(p.log))
			}
			if !c.ending[p.id] {
				continue // they have clocks of their own since
			}
			for _, child := range p.children {
				t := c.parts[child.id]
				if t == nil {
					c.parts[child.id] = &truth{lane: l.Lane, watermark: pc.Progress.Watermark, pending: map[int64]bool{}, finished: map[int64]bool{}}
				} else if t.upTo == 0 && pc.Progress.Watermark.Before(t.watermark) {
					t.watermark = pc.Progress.Watermark
				}
			}
		}
	}
}
