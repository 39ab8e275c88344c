package lane

import (
	"time"

	"github.com/onceflow/onceflow/internal/when"
	"github.com/onceflow/onceflow/stream/record"
)

// proveLag is how far a clock must be behind now before the lane asks whether its log has ended.
const proveLag = 2 * time.Second

// silence is how long a lane must have given no record before it asks. A log that is read all the time would answer no.
const silence = 500 * time.Millisecond

// Rest tells a lane of a backfill about all logs of its process: whether all were at their ends for long enough, and how
// far a clock then goes.
type Rest struct {
	Long bool
	To   time.Time
}

// idle returns the positions of partitions whose clocks are behind and that gave no record since its last call, or whose lane
// gave none for long enough. A lane that is not ready has none.
func (c *clocks) idle(now time.Time, ready bool) (at map[record.Partition]record.Position) {
	silent := !now.Before(c.gave.Add(silence))
	for i := range c.parts.list {
		p := &c.parts.list[i]
		if ready && !p.ended && (silent || p.rest.asked == p.upTo) && p.clock.MaxEventTime.Before(now.Add(-proveLag)) {
			if at == nil { // for most of thousands of lanes there is none
				at = map[record.Partition]record.Position{}
			}
			at[p.id] = p.upTo
		}
		p.rest.asked = p.upTo
	}
	return at
}

// atRest returns when the last of the partitions was found at its end. It returns false if one has not been found at its
// end since its last record.
func (c *clocks) atRest(ready bool) (since time.Time, all bool) {
	for i := range c.parts.list {
		p := &c.parts.list[i]
		if p.rest.asked != p.upTo || !ready {
			p.rest.quiet, p.rest.paced = time.Time{}, time.Time{}
		}
		if p.ended {
			continue
		}
		if p.rest.quiet.IsZero() {
			return time.Time{}, false
		}
		since = when.Later(since, p.rest.quiet)
	}
	return since, true
}

// proved moves the clock of a partition whose log had no further record at the time at.
func (c *clocks) proved(id record.Partition, at time.Time, live bool, r Rest) {
	p := c.parts.named(id)
	if p == nil || p.ended {
		return
	}
	var moved bool
	if live {
		moved = p.prove(at)
	} else {
		moved = p.proveOld(at, r)
	}
	c.parts.dirty = c.parts.dirty || moved
}

// prove moves the clock to the time at.
func (p *part) prove(at time.Time) bool {
	if !p.clock.Prove(at) {
		return false
	}
	p.arrived = when.Later(p.arrived, at) // nothing that came before it is left to read
	return true
}

// proveOld is prove in a backfill. A proof confirms what was read, but the clock does not go to at, since older records may
// come. Once all logs have been at their ends for long, the hours that were written count as complete, and the clock goes
// on at the pace of the output's clock.
func (p *part) proveOld(at time.Time, r Rest) bool {
	if p.rest.quiet.IsZero() {
		p.rest.quiet = at
	}
	p.arrived = when.Later(p.arrived, at)
	moved := p.clock.Confirm(at)
	if !r.Long {
		return moved
	}
	to := r.To
	if !p.rest.paced.IsZero() && !p.clock.MaxEventTime.IsZero() {
		to = p.clock.MaxEventTime.Add(at.Sub(p.rest.paced))
	}
	p.rest.paced = at
	return p.clock.Prove(when.Earlier(to, at)) || moved
}
