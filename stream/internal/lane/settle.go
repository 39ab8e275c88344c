package lane

import (
	"context"
	"time"

	"github.com/onceflow/onceflow/stream/record"
)

// settle finishes the touched records that nobody holds: first the rows that waited for them, then their fates.
func (c *Lane) settle(ctx context.Context) error {
	if c.end.waiting() > 0 {
		var finished []uint32
		for _, i := range c.touched {
			if !c.finished(i) {
				continue
			}
			root := &c.slots.slots[c.slots.root(i)]
			if root.flags&flagSettling != 0 { // by another member of the group
				continue
			}
			root.flags |= flagSettling
			for m := i; ; {
				if c.slots.slots[m].stash != 0 {
					finished = append(finished, m)
				}
				if m = c.slots.slots[m].next; m == i {
					break
				}
			}
		}
		if len(finished) > 0 {
			if err := c.end.unstash(ctx, finished); err != nil {
				return err
			}
		}
	}
	for _, i := range c.touched {
		if !c.finished(i) {
			continue
		}
		for m, more := i, true; more; {
			next := c.slots.slots[m].next
			more = next != i
			c.finish(m)
			m = next
		}
	}
	c.touched = c.touched[:0]
	if len(c.dead) == 0 {
		return nil
	}
	err := c.end.reject(ctx, c.dead)
	clear(c.dead)
	c.dead = c.dead[:0]
	return err
}

// finished reports whether the live record i has nothing to wait for.
func (c *Lane) finished(i uint32) bool {
	s := &c.slots.slots[i]
	if s.parent == i {
		return s.holds == 0 && s.flags&flagLive != 0
	}
	return s.flags&flagLive != 0 && c.slots.slots[c.slots.root(i)].holds == 0
}

// finish counts the fate of i and frees it.
func (c *Lane) finish(i uint32) {
	s := &c.slots.slots[i]
	p := &c.parts[s.part]
	fate := record.Filtered
	switch {
	case s.flags == flagLive|flagTimed|flagWritten, s.flags == flagLive|flagWritten: // nearly all
		fate = record.Written
	case s.flags&flagRejected != 0:
		fate = record.Dead
		c.bury(i)
	case s.flags&flagWritten != 0:
		fate = record.Written
	case s.flags&flagLate != 0:
		fate = record.Late
	case s.flags&flagBad != 0:
		fate = record.Dead
		c.reasons.n[s.why]++
	case s.flags&flagMerged != 0:
		fate = record.Merged
	case s.flags&flagDropped != 0:
		fate = s.fate
		c.reasons.n[s.why]++
	}
	p.counts[fate]++
	c.dirty = true
	if s.flags&flagLinked != 0 {
		c.slots.unlink(&p.held, i)
		c.heldBytes -= int64(s.bytes)
		if c.keep {
			delete(c.kept, i)
		}
	}
	c.slots.remove(i)
}

// bury makes the dead letter of a rejected record.
func (c *Lane) bury(i uint32) {
	d := c.deaths[i]
	delete(c.deaths, i)
	if d.Record.Partition == nil {
		d.Record = c.record(i)
	}
	d.Read = c.lane.Now()
	c.dead = append(c.dead, d)
	c.reasons.n[c.tell(i, d.Stage, d.Err)]++
}

// tell returns the number of the reason why record i is dead, and keeps the first example of it.
func (c *Lane) tell(i uint32, stage string, err error) uint16 {
	why := c.reasons.index(record.Dead, deadWhy(stage, err))
	if c.reasons.first[why] == nil {
		x := c.example(i)
		x.Err = err
		c.reasons.first[why] = x
	}
	return why
}

// tellLate keeps the first late row.
func (c *Lane) tellLate(i uint32, at time.Time) {
	if c.reasons.late != nil {
		return
	}
	x := c.example(i)
	x.Reason, x.Time, x.Behind = record.Reason{Fate: record.Late}, at, c.parts[c.slots.slots[i].part].clock.Seen.Sub(at)
	c.reasons.late = x
}

func (c *Lane) example(i uint32) *Example {
	s := &c.slots.slots[i]
	x := &Example{Partition: c.parts[s.part].id, Position: s.pos}
	if s.flags&flagTimed != 0 {
		x.Time = time.UnixMicro(s.time).UTC()
	}
	return x
}

// record returns what is still known of a record.
func (c *Lane) record(i uint32) record.Record {
	s := &c.slots.slots[i]
	if s.rec >= 0 {
		return c.records[s.rec]
	}
	if r, ok := c.kept[i]; ok {
		return r
	}
	return record.Record{Partition: &c.parts[s.part].id, Position: s.pos}
}
