package lane

import (
	"context"
	"time"

	"github.com/onceflow/onceflow/stream/record"
)

// proveLag is how far a clock must be behind now for a question whether its log has ended.
const proveLag = 2 * time.Second

// Rest is what a lane of a job whose events are old is told of the logs of its process: whether all of them were at their
// ends for long enough, and how far a clock goes then.
type Rest struct {
	Long bool
	To   time.Time
}

// Idle returns the positions of partitions that gave no record since it was last called, and whose clocks are behind.
func (c *Lane) Idle(now time.Time) (at map[record.Partition]record.Position) {
	for i := range c.parts {
		p := &c.parts[i]
		if c.ready() && !p.ended && p.asked == p.upTo && p.clock.Seen.Before(now.Add(-proveLag)) {
			if at == nil { // for most of thousands of lanes there is none
				at = map[record.Partition]record.Position{}
			}
			at[p.id] = p.upTo
		}
		p.asked = p.upTo
	}
	return at
}

// AtRest returns when the last of the lane's partitions was found at its end; zero if one was not since its last record.
// It is called with each question for ends.
func (c *Lane) AtRest() (since time.Time, all bool) {
	for i := range c.parts {
		p := &c.parts[i]
		if p.asked != p.upTo || !c.ready() {
			p.quiet, p.paced = time.Time{}, time.Time{}
		}
		if p.ended {
			continue
		}
		if p.quiet.IsZero() {
			return time.Time{}, false
		}
		since = later(since, p.quiet)
	}
	return since, true
}

// Prove moves the clock of a partition whose log had no further record at the time at. A job is live unless its events are
// old.
func (c *Lane) Prove(ctx context.Context, id record.Partition, at time.Time, live bool, r Rest) error {
	c.proved(id, at, live, r)
	return c.advance(ctx)
}

func (c *Lane) proved(id record.Partition, at time.Time, live bool, r Rest) {
	if live {
		c.prove(id, at)
		return
	}
	c.proveOld(id, at, r)
}

// prove moves the clock of a partition whose log had no further record at the time at.
func (c *Lane) prove(id record.Partition, at time.Time) {
	i, ok := c.byID[id]
	if !ok || !c.ready() {
		return
	}
	if p := &c.parts[i]; !p.ended && p.clock.Prove(at) {
		c.dirty = true
		p.arrived = later(p.arrived, at) // nothing that came before it is left to read
	}
}

// proveOld takes in that the log of a partition had no further record at the time at, in a job whose events are old: what
// was read is confirmed, but the clock does not go to now, since older records may come. Once all logs have been at their
// ends for long, the hours that were written are taken for complete, and the clock goes on as that of the output does.
func (c *Lane) proveOld(id record.Partition, at time.Time, r Rest) {
	i, ok := c.byID[id]
	if !ok || !c.ready() || c.parts[i].ended {
		return
	}
	p := &c.parts[i]
	if p.quiet.IsZero() {
		p.quiet = at
	}
	p.arrived = later(p.arrived, at)
	moved := p.clock.Confirm(at)
	if !r.Long {
		c.dirty = c.dirty || moved
		return
	}
	to := r.To
	if !p.paced.IsZero() && !p.clock.Seen.IsZero() {
		to = p.clock.Seen.Add(at.Sub(p.paced))
	}
	p.paced = at
	if to.After(at) {
		to = at
	}
	c.dirty = p.clock.Prove(to) || moved || c.dirty
}
