package lane

import (
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// Status is what the engine shows of a lane.
type Status struct {
	Unfinished int64     // records in flight or held, and those that are still to come back
	Ready      bool      // warm-up and held records are behind us
	Read       int64     // records, since the lane was opened
	OddTimes   int64     // records, since then, whose own time no ledger can hold
	Seen       time.Time // how far event time has got; zero if it is not known
	Jumps      Jumps
}

// Jumps are the partitions of a lane whose clocks wait until a jump is confirmed: how many, and the one that is farthest
// ahead.
type Jumps struct {
	N         int
	Partition record.Partition
	Seen      time.Time // zero: the partition's first times wait
	Jump      driver.Jump
}

// Status tells how the lane is doing.
func (c *Lane) Status() Status {
	s := Status{Unfinished: c.Unfinished(), Ready: c.ready(), Read: c.read, OddTimes: c.oddTimes, Jumps: c.jumps()}
	if seen := c.seen(); seen.Before(record.EndOfTime) {
		s.Seen = seen
	}
	return s
}

func (c *Lane) jumps() (j Jumps) {
	for i := range c.parts {
		p := &c.parts[i]
		if p.clock.Jump.Records == 0 {
			continue
		}
		if j.N++; j.N == 1 || p.clock.Jump.Newest.After(j.Jump.Newest) {
			j.Partition, j.Seen, j.Jump = p.id, p.clock.Seen, driver.Jump(p.clock.Jump)
		}
	}
	return j
}

// Unfinished counts the records that are in flight or held, and those that are still to come back.
func (c *Lane) Unfinished() int64 { return int64(c.slots.live + c.replaying) }

// Dirty reports whether there is anything to commit.
func (c *Lane) Dirty() bool { return c.dirty }

// HeldBytes is about how much memory held records need.
func (c *Lane) HeldBytes() int64 { return c.heldBytes }

// Pulls reports whether a stage takes in results of other goroutines.
func (c *Lane) Pulls() bool {
	for i := range c.procs {
		if c.procs[i].pull != nil {
			return true
		}
	}
	return false
}
