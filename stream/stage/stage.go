package stage

import (
	"context"
	"time"

	"github.com/onceflow/onceflow/stream/record"
)

// Stage is a recipe for one step of a job. It is immutable, safe for concurrent use, and can be used in several jobs.
type Stage[In, Out any] interface {
	// Open makes the processor of one lane. All state lives in the processor and ends with it. On a rebalance, a fence or a
	// restart the engine drops the processor and replays the pending records, so that a new one rebuilds its state. Nothing
	// is ever saved.
	Open(lane *Lane) (Processor[In, Out], error)
}

// Lane is the unit of assignment and of parallelism: the partitions whose events may meet in a stage. It is one partition,
// or partition i of every topic that is joined or merged, or a Kinesis shard with the parents that still hold records. A
// source assigns and revokes whole lanes. One goroutine at a time calls the processors of a lane.
type Lane struct {
	Name       string // stable across restarts, unique in the job
	Partitions []record.Partition

	// Reached is how far event time had got when the lane was acquired, or the time of its oldest pending record if that is
	// older; zero if the lane has no event time. A Warmer may forget what only older events would need.
	Reached time.Time

	Now  func() time.Time // wall clock; a fake one in tests
	Wake func()           // asks for a call of Puller.Pull; safe for concurrent use
	Host Host             // who drives the lane; nil is nobody
}

// Processor does the work of a stage in one lane. It may also implement Advancer, Puller, Warmer, ClockWatcher, Keeper,
// Noter, Fuller and io.Closer.
type Processor[In, Out any] interface {
	// Process handles in and adds its results to out. It owns neither and must keep neither; it may keep values and Origins
	// of events that it holds. See Record for how long bytes live.
	//
	// An error stops the job. For a bad event call out.Reject instead.
	Process(ctx context.Context, in []record.Event[In], out *Emitter[Out]) error
}

// Advancer is told about event time. It is called only after every pending record of the lane has been replayed. So a timer
// that it fires has seen all that the process before the crash had seen.
type Advancer[Out any] interface {
	// Advance tells how far event time has got: eventTime is the newest event time of the lane's slowest partition, with no
	// tolerance subtracted. While a stage before this one holds records, it is at most what it was when the oldest of them
	// was read, since that one is still to come. It never goes back. A stage subtracts its own tolerance: a join waits
	// seconds, a seal many minutes. At the end of a lane that will never get another record eventTime is EndOfTime.
	//
	// It is called again with the same time if the stage may have got events since, at most once for each batch, because
	// the time that they wait for may have passed already. Such a call must do only what the first one left undone.
	Advance(ctx context.Context, eventTime time.Time, out *Emitter[Out]) error
}

// Puller is a processor with goroutines of its own, or one that waits for the wall clock, such as stream/workers. A stage whose results follow from events alone uses Advance, which a replay repeats.
type Puller[Out any] interface {
	// Pull takes in what is ready. It must not wait. The engine calls it soon after Lane.Wake, before every commit, and
	// about once a second. A job whose source has ended waits until everything that the lane's processors hold has come
	// through Pull.
	Pull(ctx context.Context, out *Emitter[Out]) error
}

// Warmer is a processor whose state depends on finished records, such as a table of known IDs, a windowed counter, or an as-of
// join. At each acquisition of a lane the engine first gives Warm again what is at most Warmup older than the lane's event
// time, or than its oldest pending record if that is older.
type Warmer[In, Out any] interface {
	// Warmup is how much event time Warm needs. Zero needs none.
	Warmup() time.Duration

	// Warm is Process for state only. It is called before the first Process. in holds events of finished records at or below the lane's committed position. Events
	// that Warm emits go to the Warm of a later stage and nowhere else; Hold, Merge, Drop and Reject do nothing.
	Warm(ctx context.Context, in []record.Event[In], out *Emitter[Out]) error
}

// Keeper is a processor that keeps finished records in memory, such as the right events of an as-of join. They count in
// stream.Options.Memory, as held records do without it.
type Keeper interface {
	// Kept is about how many bytes they need: see Host.Size. It is called after each step of the lane.
	Kept() int64
}

// Fuller is a processor that holds records because others work on them, and that may have enough. While it is full the source
// gives no more records of the lane; those that it has given already still come.
type Fuller interface {
	// Full is called after each step of the lane.
	Full() bool
}

// ClockWatcher is told the committed clocks. State shared with other lanes or processes may expire by these alone.
type ClockWatcher interface {
	Committed(ctx context.Context, c record.Clocks) error
}
