package lane

import (
	"time"

	"github.com/onceflow/onceflow/internal/eventclock"
	"github.com/onceflow/onceflow/internal/when"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// clocks moves the clocks of a lane's partitions, by events of records and by proofs that a log has ended. It computes how
// far event time has got. It is the Host of the lane's stages.
type clocks struct {
	parts  *partitions
	slots  *slotTable
	flight *flight

	decodes bool      // a stage sets event times
	inOrder bool      // Assignment.InOrder
	now     time.Time // of the output's clock, as the engine knows it: no record moves a clock beyond; zero is none
	limit   time.Time // event times after it are rejected; zero is none
	oldest  time.Time // and those before it
	gave    time.Time // when the lane last gave a record, by the output's clock

	oddTimes int64 // of records, that were taken for none
}

// Lookup tells where a live origin came from.
func (c *clocks) Lookup(o record.Origin) record.Ref {
	s := c.slots.get(o)
	if s == nil {
		return record.Ref{}
	}
	return record.Ref{Partition: c.parts.id(s.part), Position: s.pos, Replayed: s.flags&flagReplayed != 0}
}

// Size is about how much memory the record of a live origin needs.
func (c *clocks) Size(o record.Origin) int64 {
	s := c.slots.get(o)
	switch {
	case s == nil:
		return 0
	case s.rec >= 0:
		return recordSize(&c.flight.records[s.rec])
	}
	return int64(s.bytes)
}

// Usable reports whether t is an acceptable event time. Another one would close hours too early, or begin the job's hours
// long ago, or not fit the ledger.
func (c *clocks) Usable(t time.Time) bool {
	switch {
	case !stage.UsableTime(t):
		return false
	case !c.limit.IsZero() && t.After(c.limit):
		return false
	case !c.oldest.IsZero() && t.Before(c.oldest):
		return false
	}
	return true
}

// SetTime notes the usable times of the oldest and the newest event of a record.
func (c *clocks) SetTime(o record.Origin, oldest, newest time.Time) {
	s := c.slots.get(o)
	if s == nil || s.flags&flagWarm != 0 {
		return // a wrong origin is noticed when the event arrives
	}
	if us := oldest.UnixMicro(); s.flags&flagTimed == 0 || us < s.time {
		s.time = us
		s.flags |= flagTimed
	}
	p := &c.parts.list[s.part]
	if !newest.After(p.plain) && p.clock.Jump.Records == 0 { // the usual record costs two comparisons
		if newest.After(p.clock.MaxEventTime) {
			p.clock.MaxEventTime, c.parts.dirty = newest, true
		}
		return
	}
	var moved bool
	switch {
	case s.flags&flagReplayed != 0, p.ended: // it was read before
		moved = p.clock.Again(&eventclock.Default, oldest, newest, c.now)
	default:
		moved = p.clock.Read(&eventclock.Default, oldest, newest, c.now)
	}
	c.parts.dirty = c.parts.dirty || moved
	if p.plain = p.clock.MaxEventTime.Add(eventclock.Default.Near); !c.now.IsZero() && p.plain.After(c.now) {
		p.plain = c.now
	}
}

// SetsTimes notes that a stage of the lane sets event times, so the records' own times do not count.
func (c *clocks) SetsTimes() { c.decodes = true }

// eventTime is how far event time has got in the lane: the clock of its slowest partition that has not ended. An ended
// partition still counts until all its children are in the lane, since the children's records meet this lane's. In a lane
// that is read in order, a partition without a first record does not count, and event time stands still while one is next.
func (c *clocks) eventTime() time.Time {
	eventTime := record.EndOfTime
	list := c.parts.list
	if c.inOrder {
		newest := c.parts.past
		waits := false
		for i := range list {
			newest = when.Later(newest, list[i].clock.MaxEventTime)
			waits = waits || !list[i].ended && list[i].clock.MaxEventTime.IsZero()
		}
		if waits {
			eventTime = newest
		}
	}
	for i := range list {
		p := &list[i]
		if p.ended && p.replaced {
			continue
		}
		if c.inOrder && p.clock.MaxEventTime.IsZero() {
			continue
		}
		eventTime = when.Earlier(eventTime, p.clock.MaxEventTime)
	}
	return eventTime
}

// waiting returns the clocks that wait until a jump is confirmed.
func (c *clocks) waiting() (j Jumps) {
	for i := range c.parts.list {
		p := &c.parts.list[i]
		if p.clock.Jump.Records == 0 {
			continue
		}
		if j.N++; j.N == 1 || p.clock.Jump.Newest.After(j.Jump.Newest) {
			j.Partition, j.MaxEventTime, j.Jump = p.id, p.clock.MaxEventTime, driver.Jump(p.clock.Jump)
		}
	}
	return j
}

// noteArrivals notes when the newest processed records of a batch arrived.
func (c *clocks) noteArrivals(b *driver.Batch) {
	for i := range c.parts.list {
		if p := &c.parts.list[i]; p.newest > 0 {
			if !b.Undated {
				p.arrived = when.Later(p.arrived, c.arrivalOf(&b.Records[p.newest-1]))
			}
			p.newest = 0
		}
	}
}

// arrive takes in what the source says of a batch that is consumed.
func (c *clocks) arrive(all []driver.Arrival) error {
	for i := range all {
		a := &all[i]
		at, err := c.parts.index(&a.Partition)
		if err != nil {
			return err
		}
		t := a.At
		if a.Machine && !c.now.IsZero() {
			t = c.now.Add(-time.Since(t))
		}
		if p := &c.parts.list[at]; when.Fits(t) {
			p.arrived = when.Later(p.arrived, t.Round(0).UTC())
		}
	}
	return nil
}

// arrivalOf is when a record came into its log, for Progress.Arrived; zero if no ledger can hold its time. A broken
// broker's clock, a producer that counts microseconds or a file's time can cause that, while the event time is good.
func (c *clocks) arrivalOf(r *record.Record) time.Time {
	if !when.Fits(r.Time) {
		if !r.Time.IsZero() {
			c.oddTimes++
		}
		return time.Time{}
	}
	return r.Time
}
