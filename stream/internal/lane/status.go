package lane

import (
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// Status is what the engine shows of a lane.
type Status struct {
	Unfinished int64 // records in flight or pending, and those that are still to come back
	Ready      bool  // warm-up and pending records are behind us
	Read       int64 // records, since the lane was opened
	OddTimes   int64 // records, since then, whose own time no ledger can hold
	Jumps      Jumps
}

// Jumps counts the partitions of a lane whose clocks wait until a jump is confirmed, and describes the one farthest ahead.
type Jumps struct {
	N            int
	Partition    record.Partition
	MaxEventTime time.Time // zero: the partition's first times wait
	Jump         driver.Jump
}

// Status tells how the lane is doing.
func (l *Lane) Status() Status {
	return Status{
		Unfinished: l.Unfinished(), Ready: l.intake.ready(), Read: l.intake.read, OddTimes: l.clocks.oddTimes, Jumps: l.clocks.waiting(),
	}
}

// Unfinished counts the records that are in flight or pending, with those that are still to come back.
func (l *Lane) Unfinished() int64 { return int64(l.flight.slots.live + l.intake.replaying) }

// Dirty reports whether there is anything to commit.
func (l *Lane) Dirty() bool { return l.parts.dirty }

// PendingBytes is about how much memory pending records need, and what stages keep of finished ones.
func (l *Lane) PendingBytes() int64 { return l.flight.pendingBytes + l.stages.kept() }

// Full reports whether a stage wants no more records for now. It never holds up pending ones that are still to come back, since
// nothing of the lane can be finished before.
func (l *Lane) Full() bool { return l.stages.full() && l.intake.ready() }

// Pulls reports whether a stage takes in results of other goroutines.
func (l *Lane) Pulls() bool { return l.stages.pulls() }
