package lane

import (
	"fmt"
	"math"
	"time"

	"github.com/onceflow/onceflow/internal/eventclock"
	"github.com/onceflow/onceflow/internal/when"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// part is a partition of a lane.
type part struct {
	id      record.Partition
	base    driver.Progress // what the transaction in progress builds on
	upTo    record.Position
	clock   eventclock.Clock
	plain   time.Time // a time up to it is neither far ahead nor beyond now; it moves the clock, if no jump waits
	arrived time.Time
	ended   bool
	told    bool // a cut has said that it has ended
	child   []record.Partition
	mark    string
	marked  record.Position // of mark; those up to here are old

	replaced bool // all children are in the lane, if there are any
	rest     resting

	next    uint64      // ordinal of the next record, where positions have gaps
	pending pendingList // in the order of positions
	back    comeback

	newest int32         // index of the newest record of the batch in progress, + 1
	counts record.Counts // since the last cut
	read   int64
}

// resting is what is known of the end of a partition's log.
type resting struct {
	asked record.Position // part.upTo at the last call of idle
	quiet time.Time       // of the first proof of an end since the last record; for backfills
	paced time.Time       // when the clock last moved at the pace of the output's clock
}

// comeback is the pending records of a partition that are not back.
type comeback struct {
	ordinals []uint32 // counted from first
	first    record.Position
	last     record.Position // of the last record that came back
}

func newPart(id record.Partition, from driver.Progress) part {
	return part{
		id: id, base: from, upTo: from.UpTo, arrived: from.Arrived, ended: from.Ended, child: from.Children,
		mark: from.Mark, marked: from.UpTo,
		clock: eventclock.Clock{MaxEventTime: from.MaxEventTime, Jump: eventclock.Jump(from.Jump)},
		next:  from.Pending.Through, back: comeback{ordinals: from.Pending.Ordinals, first: from.Pending.First},
	}
}

// take reports whether pos, at or below part.upTo, is the next pending record that the lane waits for, and returns its
// ordinal. Any other record was delivered before.
func (c *comeback) take(id record.Partition, pos record.Position, source *driver.SourceInfo) (ord uint64, ok bool, err error) {
	if len(c.ordinals) == 0 || !pos.After(c.last) {
		return 0, false, nil
	}
	want := c.ordinals[0]
	if c.first.Seq == "" && pos.Seq == "" {
		at := c.first.Sub + int64(want)
		switch {
		case pos.Sub < at:
			return 0, false, nil
		case pos.Sub > at:
			return 0, false, skipped(id, pos, record.Position{Sub: at}, source)
		}
		ord = uint64(pos.Sub)
	} else {
		if want == 0 && pos != c.first {
			if pos.After(c.first) {
				return 0, false, skipped(id, pos, c.first, source)
			}
			return 0, false, nil
		}
		ord = uint64(want)
	}
	c.ordinals, c.last = c.ordinals[1:], pos
	return ord, true, nil
}

// skipped is the error of a pending record that did not come back.
func skipped(id record.Partition, pos, missing record.Position, source *driver.SourceInfo) error {
	return fmt.Errorf("%w: %s came back, but not the pending record at %s before it", driver.ErrLost, source.Print(id, pos), source.Print(id, missing))
}

// pendingSet names the records that are not finished.
func (p *part) pendingSet(t *slotTable) (driver.PendingSet, error) {
	if p.pending.n == 0 {
		return driver.PendingSet{}, nil
	}
	first := &t.slots[p.pending.first-1]
	h := driver.PendingSet{First: first.pos, Ordinals: make([]uint32, 0, p.pending.n)}
	for i := p.pending.first; i != 0; i = t.slots[i-1].after {
		d := t.slots[i-1].ord - first.ord
		if d > math.MaxUint32 {
			return driver.PendingSet{}, fmt.Errorf("%v holds records that are %d positions apart", p.id, d)
		}
		h.Ordinals = append(h.Ordinals, uint32(d))
	}
	if p.upTo.Seq == "" {
		h.Through = uint64(p.upTo.Sub) - first.ord + 1
	} else {
		h.Through = p.next - first.ord
	}
	return h, nil
}

// progress is what a cut says of the partition.
func (p *part) progress(t *slotTable) (driver.Progress, error) {
	pending, err := p.pendingSet(t)
	if err != nil {
		return driver.Progress{}, fmt.Errorf("stream: %w", err)
	}
	g := driver.Progress{
		UpTo: p.upTo, Pending: pending, MaxEventTime: p.clock.MaxEventTime, Jump: driver.Jump(p.clock.Jump), Watermark: p.base.Watermark, Arrived: p.arrived, Ended: p.ended,
		Children: p.child, Mark: p.mark,
	}
	oldest, cap := int64(math.MaxInt64), int64(math.MaxInt64)
	for i := p.pending.first; i != 0; i = t.slots[i-1].after {
		if s := &t.slots[i-1]; s.flags&flagTimed != 0 {
			oldest = min(oldest, s.time)
		} else {
			cap = min(cap, s.eventTime)
		}
	}
	if oldest != math.MaxInt64 {
		g.PendingTime = time.UnixMicro(oldest).UTC()
	}
	// A record that waits before Decode has no event time yet. The clock stays where it was when the record was read, so
	// that the record is not late when it gets its time.
	if cap != math.MaxInt64 && time.UnixMicro(cap).Before(g.MaxEventTime) {
		g.MaxEventTime = when.Later(p.base.MaxEventTime, time.UnixMicro(cap).UTC())
	}
	return g, nil
}

// spent reports whether p can never give work again and a cut has said so. A partition that others replace is kept.
func (p *part) spent() bool {
	return p.told && p.ended && p.child == nil && p.pending.n == 0 && len(p.back.ordinals) == 0 &&
		p.read == 0 && p.counts == (record.Counts{}) && p.newest == 0 && p.clock.Jump.Records == 0
}

// maxMicro is the clock in microseconds; before its first value it is the smallest number.
func (p *part) maxMicro() int64 { return p.clock.MaxEventTime.UnixMicro() }
