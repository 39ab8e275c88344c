package stage

import (
	"context"
	"time"

	"github.com/onceflow/onceflow/stream/record"
)

// Stage is a recipe for one step of a job. It is immutable, safe for concurrent use, and can be used in several jobs.
type Stage[In, Out any] interface {
	// Open makes the processor of one lane. State lives in the processor, so it goes when the lane goes: on a rebalance,
	// a fence or a restart the engine drops the processor and rebuilds its state by replaying what was pending. Nothing is
	// ever saved.
	Open(lane *Lane) (Processor[In, Out], error)
}

// Lane is the unit of assignment and of parallelism: the partitions whose events may meet in a stage. One partition, or
// partition i of every topic that is joined or merged, or a Kinesis shard with the parents that still hold records. A
// source assigns and revokes whole lanes. One goroutine at a time calls the processors of a lane.
type Lane struct {
	Name       string // stable across restarts, unique in the job
	Partitions []record.Partition
	Now        func() time.Time // wall clock; a fake one in tests
	Wake       func()           // asks for a call of Puller.Pull; safe for concurrent use
	Host       Host             // who drives the lane; nil is nobody
}

// Processor does the work of a stage in one lane. It may also implement Advancer, Puller, Warmer, ClockWatcher and
// io.Closer.
type Processor[In, Out any] interface {
	// Process handles in and adds its results to out. Process owns neither in nor out and must not keep them; it may
	// keep values and Origins of events that it holds. See Record for how long bytes live.
	//
	// An error stops the job. For a bad event call out.Reject instead.
	Process(ctx context.Context, in []record.Event[In], out *Emitter[Out]) error
}

// Advancer is told about event time. It is called only after every pending record of the lane has been replayed, so a
// timer that it fires has seen all that the process before the crash had seen.
type Advancer[Out any] interface {
	// Advance says how far event time has got: eventTime is the newest event time of the lane's slowest partition, with no
	// tolerance subtracted. It never goes back. A stage subtracts its own tolerance: a join waits seconds, a seal many
	// minutes. At the end of a lane that will never get another record eventTime is EndOfTime.
	//
	// It comes again with the time that it had if the stage may have got events since, at most once for a batch: what
	// they wait for may be over already. So a second call with the same time must do no more than the first left to do.
	Advance(ctx context.Context, eventTime time.Time, out *Emitter[Out]) error
}

// Puller is a processor that works beside the lane, in goroutines of its own, or that waits for the wall clock. No stage of
// this module does yet. A stage whose results follow from events alone has Advance, which a replay repeats.
type Puller[Out any] interface {
	// Pull takes in what is ready. It is called soon after Lane.Wake, before every commit, and about once a second. It must
	// not wait. A job whose source has ended waits until what the lane's processors hold has come through Pull.
	Pull(ctx context.Context, out *Emitter[Out]) error
}

// Warmer is a processor whose state depends on finished records, such as a table of known IDs or a windowed counter. At
// each acquisition of a lane, before anything else, the engine reads the last Warmup of event time again and gives it to
// Warm.
type Warmer[In, Out any] interface {
	// Warmup is how much event time Warm needs. Zero needs none.
	Warmup() time.Duration

	// Warm is Process for state only: in holds events of records at or below the lane's committed position that are not
	// held. What it emits goes to the Warm of a later stage and nowhere else; Hold, Merge, Drop and Reject do nothing.
	Warm(ctx context.Context, in []record.Event[In], out *Emitter[Out]) error
}

// ClockWatcher is told the committed clocks, which are the only ones by which state shared with other lanes or
// processes may expire.
type ClockWatcher interface {
	Committed(ctx context.Context, c record.Clocks) error
}
