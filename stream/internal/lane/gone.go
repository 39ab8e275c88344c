package lane

import (
	"github.com/onceflow/onceflow/stream/record"
)

// A lane may have thousands of partitions that end one after the other, as the files of a folder do. What has ended, holds
// nothing and is committed so is dropped from the lane's core: it costs no time at a cut and no memory.

// spent reports whether nothing can come of p any more, and a cut has said so. One that others replace is kept.
func (p *part) spent() bool {
	return p.told && p.ended && p.child == nil && p.held.n == 0 && len(p.replay) == 0 &&
		p.read == 0 && p.counts == (record.Counts{}) && p.newest == 0 && p.clock.Jump.Records == 0
}

// dropSpent drops the partitions that are spent, once they are half of all. Cuts call it: what the last one said is committed,
// or the lane would have begun again. One partition stays, so that a cut of the lane is never empty.
func (c *Lane) dropSpent() {
	n := 0
	for i := range c.parts {
		if c.parts[i].spent() {
			n++
		}
	}
	if n == 0 || n < len(c.parts)-n || len(c.parts) == 1 {
		return
	}
	left := make([]part, 0, max(len(c.parts)-n, 1)) // a new one: stages may have pointers to IDs in the old one
	for i := range c.parts {
		p := &c.parts[i]
		if p.spent() && (len(left) > 0 || i < len(c.parts)-1) {
			c.past = later(c.past, p.clock.Seen)
			continue
		}
		for s := p.held.first; s != 0; s = c.slots.slots[s-1].after {
			c.slots.slots[s-1].part = uint32(len(left))
		}
		left = append(left, *p)
	}
	c.parts = left
	c.byID, c.byPtr, c.lastID = make(map[record.Partition]uint32, len(left)), map[*record.Partition]uint32{}, nil
	for i := range left {
		c.byID[left[i].id] = uint32(i)
	}
}
