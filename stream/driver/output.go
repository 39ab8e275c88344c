package driver

import (
	"context"
	"log/slog"
	"time"

	"github.com/onceflow/onceflow/stream/record"
)

// Output makes results durable exactly once. Package sink has the usual one. One goroutine at a time calls the methods of
// Output. They may run beside methods of its transactions, and Begin also beside Maintain and Now.
type Output[T any] interface {
	// Attach is called once, first. An error says why job cannot write here; nothing was written then.
	Attach(ctx context.Context, job Job) error

	// Acquire reads the ledger, takes lanes over and returns the progress of each of their partitions. Until a lane is
	// released or acquired again, this process's commits for it build on that progress. All open transactions that touch
	// one of the lanes become void. An acquisition does not stop another process: whoever commits first wins. After an
	// error Acquire is called again, without end, unless the error matches ErrStop or ErrLost.
	Acquire(ctx context.Context, lanes []Assignment) (map[record.Partition]Progress, error)

	// Release forgets lanes that were revoked.
	Release(ctx context.Context, lanes []string) error

	// Begin starts a transaction on top of after, which may still be committing; nil means on top of the ledger. If after
	// turns out void, so is the new one.
	Begin(after Txn[T]) Txn[T]

	// Maintain does the work that belongs to no transaction: it publishes what others left behind, closes hours, sweeps.
	// The engine calls it after each commit and at least every few seconds, and ends ctx when lanes come or go. It may take
	// long: transactions begin and commit meanwhile. list is Source.Partitions. After an error Maintain is called again,
	// without end, unless the error matches ErrStop or ErrLost.
	Maintain(ctx context.Context, list func(context.Context) ([]record.Partition, error)) (Upkeep, error)

	// Now returns the output's own clock, the store's. The engine reads it before it asks a source whether a log has ended.
	// If the clock is in doubt, at is the earliest time that it may show and latest the latest; else latest is zero. Event
	// times up to latest, and stream.Options.Future beyond it, are no dead letters.
	Now(ctx context.Context) (at, latest time.Time, err error)

	// Ledger is called after Attach. The zero Ledger tells nothing.
	Ledger() Ledger
}

// Job is what an Output may know of the job it serves.
type Job struct {
	Source   SourceInfo
	Instance string // stream.Options.Instance: valid UTF-8 of at most 100 bytes, all of them printable
	Workers  int    // Writer.Worker is below it

	// Logs are the numbers of partitions of the logs, in order of Source and Epoch. They are set if LaneLocal is, and if
	// keys move when a log gets more partitions (KeysByCount). The output remembers them. It refuses a log that has grown
	// since with an *AddedPartitionsError, unless KeysInLanes says that this does not matter.
	Logs        []LogSize
	LaneLocal   string // a stage that sees one lane at a time; "" is none
	KeysInLanes bool   // stream.Options.KeysInLanes

	Budget *Budget
	Logger *slog.Logger

	// MayEnd says how far hours close when all partitions have ended: if true, up to the last hour with files. If false,
	// more may come, and they close up to the newest Progress.MaxEventTime less the lateness. Maintain calls it; nil means
	// true.
	MayEnd func() bool
}

// Upkeep is the state of an output after Maintain.
type Upkeep struct {
	// Settled means that nothing is left to do until another transaction commits: all is published and every hour that can
	// close has closed.
	Settled bool

	EarliestHour time.Time    // start of the first hour that is not closed; zero if none is known
	Closed       time.Time    // end of the last hour that is closed; zero if none is known
	Sealed       time.Time    // end of the last hour whose seals are known to exist; zero if none is known
	ClosedHours  int64        // closed by this process
	Entry        uint64       // the last one of the ledger that is known
	Outrun       int64        // how often another process was faster to take the place in the ledger that this one wanted
	Unpublished  int          // committed entries whose files are not known to be in place
	Clock        record.Clock // of the whole job, for ClockWatcher

	// Complete is how far the clocks of a backfill must get so that all that was read is complete: the end of the hour of
	// the newest Progress.MaxEventTime, and the lateness. Zero if nothing waits for it.
	Complete time.Time

	// Merge is how far the merge of the earliest closed hour is that is not sealed yet; nil if none is being merged.
	Merge *Merge

	// Unclosed says why no hour closes although all of its data is in, and what a person has to do about it; nil is well.
	Unclosed error

	// Housekeeping says why work that no reader waits for, such as deleting leftovers, fails at present; nil if it does
	// not. It is for Status.Housekeeping.
	Housekeeping error
}

// Merge is how far the packs of a closed hour have become files. Every process knows what it has done or seen itself.
type Merge struct {
	Hour  time.Time
	Units int   // pieces of work that processes share
	Done  int   // of them, with their files in place
	Packs int   // that the hour has
	Bytes int64 // of these
}

// Txn collects the results of finished records. Write and Reject may be called concurrently for different workers;
// everything else by one goroutine, with no Write under way.
type Txn[T any] interface {
	// Write adds the rows of finished records and must not keep rows. It sets fates[i] to Written, Late, Filtered (no flow
	// wanted it) or Dead (it cannot be encoded). bad says why; nothing of a dead row was added. After an error the
	// transaction is dropped and its records are read again. An error that matches ErrStop stops the job.
	Write(ctx context.Context, w Writer, rows []record.Event[T], fates []record.Fate) (bad []BadRow, err error)

	// Reject adds dead letters. It must not keep their bytes.
	Reject(ctx context.Context, w Writer, dead []DeadLetter) error

	// Bytes is how much was added, encoded. It may be called at any time.
	Bytes() int64

	// Commit makes everything durable at once, together with cut. It retries until ctx is done. An error that matches
	// ErrFenced means that the work is void for good: all lanes must be acquired again. After any other error the outcome
	// is unknown until the lanes are acquired again. An error that matches ErrStop stops the job.
	Commit(ctx context.Context, cut Cut) (Committed, error)

	// Drop gives the transaction up and deletes what it staged. It must not be called after Commit.
	Drop(ctx context.Context) error
}

// Committed is what a Txn tells of a commit that has succeeded.
type Committed struct {
	// LateRows are the rows, by flow, that came too late for their hour, including those that were dropped for it. One
	// record may have several rows, so they are not the records whose fate is Late.
	LateRows map[string]int64

	Entry uint64 // of the ledger; 0 if there was nothing to commit

	// Files are those of the commit, added up by flow and kind: few, however many files there are.
	Files map[FileKind]FileSum

	CommitTimes
}

// CommitTimes are the times of the steps of a commit, which follow each other: staged files become durable, the entry is
// appended, the files and the manifest get their names.
type CommitTimes struct{ Staging, Appending, Publishing time.Duration }

// FileKind is a flow and what its files are: "data", "late", "dead" letters, "pack" or "note".
type FileKind struct{ Flow, Kind string }

// FileSum adds files up. Bytes are as they lie in the store, so mostly compressed.
type FileSum struct{ Files, Rows, Bytes int64 }

// BadRow tells why rows[Index] could not be encoded.
type BadRow struct {
	Index int
	Err   error
}

// Writer says for which lane rows are written and by which worker. Calls for one worker never overlap.
type Writer struct {
	Lane   string
	Worker int
}

// Cut is the input side of a commit: every lane that changed since its base.
type Cut struct {
	Lanes []LaneCut

	// Reasons counts the finished records without a row that have a reason; nil if there are none. The 16 most frequent
	// reasons are told apart, others are "other" of their fate. All dead records are counted.
	Reasons map[record.Reason]int64
}

// LaneCut is the progress of one lane.
type LaneCut struct {
	Lane string

	// Partitions are all partitions of the lane, except some that had ended and held nothing at an earlier cut.
	Partitions map[record.Partition]Progress

	// Replaying means that pending records of the base are still coming back, so clocks must not move. Run leaves such
	// lanes out of its cuts altogether; nothing of them has been written then.
	Replaying bool

	// Counts are the records that finished in this transaction, by partition. Read are those that were read for the first
	// time. Pending is Progress.Pending.Len.
	Counts map[record.Partition]record.Counts
	Read   map[record.Partition]int64

	// Notes are what stages wrote down about the records that were read: see stage.Noter. They are committed with the cut.
	// An output that cannot keep them drops them.
	Notes []record.Note

	// Followed means that the lane has a stage that writes notes, and who reads these also reads how far the lane has read: a cut
	// in which only clocks have moved must be committed, too.
	Followed bool
}
