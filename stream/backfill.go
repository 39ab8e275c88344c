package stream

import (
	"sync/atomic"
	"time"

	"github.com/onceflow/onceflow/stream/record"
)

// backfill is what a job with Options.Backfill knows of how long its logs have been read to their ends. All of it is in
// memory: a process that begins again waits again. But for over it is used by upkeep, of which there is one at a time.
type backfill struct {
	patience time.Duration // Options.Backfill; 0: the job is live
	over     atomic.Bool   // the source has ended for good

	read     int64     // records that were read until since
	since    time.Time // of the output's clock: when they had been
	now      time.Time // of the output's clock, last
	complete time.Time // Upkeep.Complete of the last upkeep
}

// look takes in how many records were read by now.
func (b *backfill) look(read int64, now time.Time) {
	if b.now = now; b.since.IsZero() || read != b.read {
		b.read, b.since = read, now
	}
}

// quiet reports whether nothing was read for as long as Options.Backfill says.
func (b *backfill) quiet() bool { return !b.since.IsZero() && b.now.Sub(b.since) >= b.patience }

// mayEnd is Job.MayEnd.
func (b *backfill) mayEnd() bool { return b.over.Load() || b.quiet() }

// rest is what core.proveOld needs to know: whether every partition was at its end for long enough, and how far its clock
// goes then.
type rest struct {
	long bool
	to   time.Time
}

// resting works out what the partitions of the process may do whose ends are proved at now. since is when the last of all of
// them was found at its end, or zero if some have not been.
func (b *backfill) resting(since time.Time) rest {
	long := b.quiet() && !since.IsZero() && b.now.Sub(since) >= b.patience
	return rest{long: long, to: b.complete}
}

// proveOld takes in that the log of a partition had no further record at the time at, in a job whose events are old: what
// was read is confirmed, but the clock does not go to now, since older records may come. Once all logs have been at their
// ends for long, the hours that were written are taken for complete, and the clock goes on as that of the output does.
func (c *laneCore) proveOld(id record.Partition, at time.Time, r rest) {
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
	if !r.long {
		c.dirty = c.dirty || moved
		return
	}
	to := r.to
	if !p.paced.IsZero() && !p.clock.Seen.IsZero() {
		to = p.clock.Seen.Add(at.Sub(p.paced))
	}
	p.paced = at
	if to.After(at) {
		to = at
	}
	c.dirty = p.clock.Prove(to) || moved || c.dirty
}

// atRest returns when the last of the lane's partitions was found at its end; zero if one was not since its last record.
// It is called with each question for ends.
func (c *laneCore) atRest() (since time.Time, all bool) {
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

// proved moves the clock of a partition whose log is proved to end.
func (c *laneCore) proved(id record.Partition, at time.Time, live bool, r rest) {
	if live {
		c.prove(id, at)
		return
	}
	c.proveOld(id, at, r)
}
