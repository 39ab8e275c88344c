package lane

import (
	"context"
	"time"

	"github.com/onceflow/onceflow/internal/eventclock"
	"github.com/onceflow/onceflow/stream/record"
)

// SetTime notes the times of the oldest and the newest event of a record, which are usable.
func (c *Lane) SetTime(o record.Origin, oldest, newest time.Time) {
	s := c.slots.get(o)
	if s == nil || s.flags&flagWarm != 0 {
		return // a wrong origin is noticed when the event arrives
	}
	if us := oldest.UnixMicro(); s.flags&flagTimed == 0 || us < s.time {
		s.time = us
		s.flags |= flagTimed
	}
	p := &c.parts[s.part]
	if !newest.After(p.plain) && p.clock.Jump.Records == 0 { // the usual record costs two comparisons
		if newest.After(p.clock.Seen) {
			p.clock.Seen, c.dirty = newest, true
		}
		return
	}
	switch {
	case s.flags&flagReplayed != 0, p.ended: // it was read before
		c.dirty = p.clock.Again(&eventclock.Default, oldest, newest, c.now) || c.dirty
	default:
		c.dirty = p.clock.Read(&eventclock.Default, oldest, newest, c.now) || c.dirty
	}
	if p.plain = p.clock.Seen.Add(eventclock.Default.Near); !c.now.IsZero() && p.plain.After(c.now) {
		p.plain = c.now
	}
}

// SetsTimes notes that the records' own times do not count, since a stage of the lane sets event times.
func (c *Lane) SetsTimes() { c.decodes = true }

// seen is how far event time has got in the lane: the clock of its slowest partition that has not ended. An ended one
// still counts as long as a child of it is not in the lane, since what follows in the child meets this lane's records. In
// a lane that is read in order one that has not begun does not count, and while it is next time stands still.
func (c *Lane) seen() time.Time {
	seen := record.EndOfTime
	if c.inOrder {
		newest := c.past
		waits := false
		for i := range c.parts {
			newest = later(newest, c.parts[i].clock.Seen)
			waits = waits || !c.parts[i].ended && c.parts[i].clock.Seen.IsZero()
		}
		if waits {
			seen = newest
		}
	}
	for i := range c.parts {
		p := &c.parts[i]
		if p.ended && p.replaced {
			continue
		}
		if c.inOrder && p.clock.Seen.IsZero() {
			continue
		}
		if p.clock.Seen.Before(seen) {
			seen = p.clock.Seen
		}
	}
	return seen
}

// ready reports whether warm-up and held records are behind us.
func (c *Lane) ready() bool { return !c.warming && c.replaying == 0 && len(c.returned) == 0 }

// advance tells the stages how far event time has got: those to which it is news, and those that may have got an event
// since they were told, which may lie so far behind that nothing can come for it any more. A stage is told at most the
// time that was reached when the oldest record that an earlier stage holds was read: to the later stage that record is
// still to come.
func (c *Lane) advance(ctx context.Context) error {
	if !c.ready() {
		return nil
	}
	seen := c.seen()
	if seen.IsZero() {
		return nil
	}
	for i := range c.procs {
		if i > 0 && c.times[i-1] != nil {
			if s, some := c.times[i-1].oldest(); some && time.Unix(s, 0).Before(seen) {
				seen = time.Unix(s, 0).UTC()
			}
		}
		f := c.procs[i].advance
		if f == nil || !seen.After(c.advanced[i]) && !c.fed[i] {
			continue
		}
		c.advanced[i], c.fed[i] = later(c.advanced[i], seen), false
		if err := f(ctx, c.advanced[i]); err != nil {
			return err
		}
	}
	return c.settle(ctx)
}

// watchHolds makes the stages that may hold tell those behind them, if one of these wants event time.
func (c *Lane) watchHolds() {
	last := -1
	for i := range c.procs {
		if c.procs[i].advance != nil {
			last = i
		}
	}
	for i := range last {
		c.times[i] = &heldTimes{n: map[int64]int32{}}
	}
}
