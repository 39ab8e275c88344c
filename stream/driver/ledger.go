package driver

import (
	"context"
	"time"

	"github.com/onceflow/onceflow/stream/record"
)

// Ledger gives a source access to an Output's ledger, which has what all processes of the job have committed. A nil func
// means that the output does not offer it.
type Ledger struct {
	// Signature identifies the ledger: all processes and runs of a job have the same, no other ledger has it. It has at
	// most 128 printable characters.
	Signature string

	// Unfinished returns the progress of the partitions that may still give records: those that have not ended or hold
	// records. The positions of Pending are left out.
	Unfinished func() map[record.Partition]Progress

	// Tell returns what is committed of all partitions, without acquiring them. It reads the ledger first, which costs a
	// request or two. It may be called concurrently with everything. Its errors may pass.
	Tell func(ctx context.Context) (map[record.Partition]Standing, error)
}

// Standing is what is committed of a partition, in short.
type Standing struct {
	Lane         string // of the entry that touched it last or, of a child that nobody has read, of the one that named it
	UpTo         record.Position
	MaxEventTime time.Time
	Arrived      time.Time
	Ended        bool
	Holds        bool // records of it are pending
	Retired      bool // by a person: nobody may read it any more
}

// Follower is a Source that follows what all processes of the job commit. Recovery never reads what the source was told.
type Follower interface {
	// Begin is called once, before the first Poll. Here a source verifies that every log that the job has begun still
	// exists. A deleted log is assigned to no instance, so without this check its hours would stay open and no error would
	// say why. An error stops the job; it matches ErrLost if records are gone.
	Begin(ctx context.Context, l Ledger) error

	// Ack tells the source how far the job has committed, for lag monitors. If the source has a place that a restore of the
	// output's store does not reach, it keeps the positions there, with Ledger.Signature. Ack may be called concurrently
	// with every method of Source. Its error is logged.
	Ack(ctx context.Context, upTo map[record.Partition]record.Position) error

	// Acked returns the positions that any process gave to Ack under the same signature. Run compares them with the ledger
	// before it goes on. Partitions without such a position are left out. Acked may be called concurrently with every
	// method of Source. Its error is logged, and the job goes on without the comparison.
	Acked(ctx context.Context, parts []record.Partition) (map[record.Partition]record.Position, error)

	// Finish says that lanes are over: all of their partitions have ended, none holds a record, and that is committed. The
	// engine has forgotten them, so the source must neither deliver nor assign them again. A lane of the same name with
	// another partition is a new one. The goroutine of Poll calls Finish, if SourceInfo.LanesEnd is set. For a lane that
	// was over before it was assigned it does so right after Start.
	Finish(lanes []string)
}
