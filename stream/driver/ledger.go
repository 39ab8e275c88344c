package driver

import (
	"context"
	"time"

	"github.com/onceflow/onceflow/stream/record"
)

// Ledger is what an Output tells of its ledger, which has what all processes of the job have committed. A func that is nil
// tells nothing.
type Ledger struct {
	// Signature is the same for all processes and runs of a job, and for no other ledger: at most 128 printable characters.
	Signature string

	// Unfinished returns the progress, without the positions of Pending, of the partitions that may still give records: those
	// that have not ended or hold records.
	Unfinished func() map[record.Partition]Progress

	// Tell returns what is committed of all partitions, without acquiring them. It reads the ledger first, which costs a
	// request or two. It may be called concurrently with everything. Its error may pass.
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

// Follower is a Source that follows what the job has committed, by whatever process. Recovery never reads what it was told.
type Follower interface {
	// Begin is called once, before the first Poll. A source that looks for what the job has begun to read does it here: a
	// log that is gone is assigned to nobody, so that nobody else would say why the hours that need it do not close. An
	// error stops the job; it matches ErrLost if records are gone.
	Begin(ctx context.Context, l Ledger) error

	// Ack tells how far the job has committed, for lag monitors. A source that can keep it where a restore of the output's
	// store does not reach keeps it together with Ledger.Signature. It may be called concurrently with every method of
	// Source. Its error is logged.
	Ack(ctx context.Context, upTo map[record.Partition]record.Position) error

	// Acked returns what any process has told Ack under the same signature. Run compares it with the ledger before it goes
	// on. Partitions of which nothing is kept, or under another signature only, are left out. It may be called concurrently
	// with every method of Source. Its error is logged: the job goes on without.
	Acked(ctx context.Context, parts []record.Partition) (map[record.Partition]record.Position, error)

	// Finish says that lanes are over, which Poll assigned and Start began: all of their partitions have ended, none holds a
	// record, and that is committed. The engine has forgotten them, so the source must neither deliver nor assign them again. A
	// lane of the same name with another partition is a new one. It is called if SourceInfo.LanesEnd is set, by the goroutine
	// that calls Poll, and right after Start for a lane that was over before it was assigned.
	Finish(lanes []string)
}
