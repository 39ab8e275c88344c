package lane

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// ErrSource says that a source breaks its contract: going on could lose or double records.
var ErrSource = errors.New("stream: the source breaks its contract")

// admit takes records of a batch in, those with indexes from from to below to, and makes events of them. Records that came
// before are left out.
func (c *Lane) admit(b *driver.Batch, from, to int) error {
	c.borrow()
	c.records = b.Records
	c.events = c.events[:0]
	for i := from; i < to; i++ {
		r := &b.Records[i]
		at, err := c.partition(r.Partition)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrSource, err)
		}
		if len(c.feed.bad) > 0 {
			if err := c.admitBad(r); err != nil {
				return err
			}
		}
		slot, ok, err := c.enter(at, r.Position, i)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		e := record.Event[record.Record]{Value: *r, Time: r.Time, Origin: record.OriginOf(slot, c.slots.slots[slot].gen)}
		if !c.decodes {
			e.Time = e.Time.Round(0).UTC()
			if !c.Usable(e.Time) {
				c.reject(slot, driver.DeadLetter{Stage: "source", Err: stage.ErrEventTime})
				continue
			}
			c.SetTime(e.Origin, e.Time, e.Time)
		}
		c.events = append(c.events, e)
	}
	if to < len(b.Records) {
		return nil
	}
	return c.admitBad(nil)
}

// byPosition returns unreadable records in the order of their positions.
func byPosition(bad []driver.DeadLetter) []driver.DeadLetter {
	if len(bad) == 0 {
		return nil
	}
	bad = slices.Clone(bad)
	slices.SortStableFunc(bad, func(x, y driver.DeadLetter) int { return x.Record.Position.Compare(y.Record.Position) })
	return bad
}

// admitBad takes in the unreadable records of the batch that come before r in its partition, so that they take their place
// among the others; nil is all that are left. Those of other partitions wait for records of their own: a position that
// was passed too early would let these be taken for records that came before.
func (c *Lane) admitBad(r *record.Record) error {
	bad, kept := c.feed.bad, c.feed.bad[:0]
	for i := range bad {
		d := bad[i]
		if r != nil && d.Record.Position.After(r.Position) {
			kept = append(kept, bad[i:]...)
			break
		}
		if r != nil && d.Record.Partition != nil && *d.Record.Partition != *r.Partition {
			kept = append(kept, d)
			continue
		}
		at, err := c.partition(d.Record.Partition)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrSource, err)
		}
		slot, ok, err := c.enter(at, d.Record.Position, -1)
		if err != nil {
			return err
		}
		if ok {
			d.Stage = cmp.Or(d.Stage, "source")
			c.reject(slot, d)
		}
	}
	c.feed.bad = kept
	return nil
}

// enter makes a slot for a record of the batch, at index rec of it, and moves the partition's position. It returns false
// for a record that was delivered before and is not held.
func (c *Lane) enter(at uint32, pos record.Position, rec int) (slot uint32, ok bool, err error) {
	p := &c.parts[at]
	var ord uint64
	replayed := !pos.After(p.upTo)
	if replayed {
		if ord, ok, err = p.comesBack(pos); err != nil {
			return 0, false, fmt.Errorf("stream: %v: %w", p.id, err)
		}
		if !ok {
			return 0, false, c.cameAgain(at, pos, rec)
		}
	} else {
		if err := c.mayRead(p, pos); err != nil {
			return 0, false, err
		}
		p.upTo, c.dirty = pos, true
		p.read++
		c.read++
		if ord = uint64(pos.Sub); pos.Seq != "" {
			ord = p.next
			p.next++
		}
	}
	slot = c.slots.add()
	s := &c.slots.slots[slot]
	s.part, s.pos, s.ord, s.rec, s.seen = at, pos, ord, int32(rec), p.seenMicro()
	if replayed {
		s.flags |= flagReplayed
		s.holds = 1 // by the engine, until all are back
		s.seen = min(s.seen, later(time.Time{}, p.base.HeldTime).UnixMicro())
		c.returned = append(c.returned, slot)
		c.replaying--
	} else if rec >= 0 {
		p.newest = int32(rec) + 1
	}
	c.batch = append(c.batch, slot)
	c.touched = append(c.touched, slot)
	return slot, true, nil
}

// seenMicro is the clock in microseconds; before its first value it is the smallest number.
func (p *part) seenMicro() int64 { return p.clock.Seen.UnixMicro() }

// mayRead checks that a new record may come now.
func (c *Lane) mayRead(p *part, pos record.Position) error {
	switch {
	case c.warming:
		return fmt.Errorf("%w: %v of %v came before the warm-up of lane %s was done", ErrSource, pos, p.id, c.lane.Name)
	case c.replaying > 0:
		return fmt.Errorf("%w: %v of %v came before %d held records of lane %s were back", ErrSource, pos, p.id, c.replaying, c.lane.Name)
	case p.ended:
		return fmt.Errorf("%w: %v of %v came after the partition's end", ErrSource, pos, p.id)
	}
	return nil
}

// cameAgain handles a record that was delivered before: it is left out. But in one batch positions must ascend; a source
// that delivers out of order would lose records here.
func (c *Lane) cameAgain(at uint32, pos record.Position, rec int) error {
	c.redeliver++
	if c.warming {
		return fmt.Errorf("%w: %v of %v came before the warm-up of lane %s was done", ErrSource, pos, c.parts[at].id, c.lane.Name)
	}
	for i := rec - 1; i >= 0; i-- {
		q, err := c.partition(c.records[i].Partition)
		if err != nil || q != at {
			continue
		}
		if !pos.After(c.records[i].Position) {
			return fmt.Errorf("%w: %v of %v came behind %v in one batch", ErrSource, pos, c.parts[at].id, c.records[i].Position)
		}
		break
	}
	return nil
}

// elderOrOwn is partition, but takes elders too. These have the indexes behind those of the lane.
func (c *Lane) elderOrOwn(id *record.Partition) (uint32, error) {
	if len(c.elders) > 0 && id != nil {
		if i := slices.Index(c.elders, *id); i >= 0 {
			return uint32(len(c.parts) + i), nil
		}
	}
	return c.partition(id)
}

// warm passes records of the warm-up, with indexes from from to below to, through the stages that want them. They leave no
// trace but there.
func (c *Lane) warm(ctx context.Context, b *driver.Batch, from, to int, in feeds[record.Record]) error {
	if !c.warming {
		return fmt.Errorf("%w: lane %s got warm-up records that it did not ask for", ErrSource, c.lane.Name)
	}
	c.borrow()
	c.records, c.events = b.Records, c.events[:0]
	for i := from; i < to; i++ {
		r := &b.Records[i]
		at, err := c.elderOrOwn(r.Partition)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrSource, err)
		}
		slot := c.slots.add()
		s := &c.slots.slots[slot]
		s.part, s.pos, s.rec = at, r.Position, int32(i)
		s.flags |= flagWarm
		c.batch = append(c.batch, slot)
		e := record.Event[record.Record]{Value: *r, Time: r.Time.Round(0).UTC(), Origin: record.OriginOf(slot, s.gen)}
		if c.decodes || stage.UsableTime(e.Time) {
			c.events = append(c.events, e)
		}
	}
	err := in.warm(ctx, c.events)
	for _, i := range c.batch {
		c.slots.remove(i)
	}
	c.batch, c.records = c.batch[:0], nil
	c.giveBack()
	return err
}
