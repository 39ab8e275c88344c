package driver

import (
	"context"
	"log/slog"
	"time"

	"github.com/onceflow/onceflow/stream/record"
)

// Output makes results durable exactly once. Package sink has the usual one. Methods of Output are called by one
// goroutine at a time, but beside those of its transactions, and Begin also beside Maintain and Now.
type Output[T any] interface {
	// Attach is called once, first. The error tells why job cannot write here, before anything was written.
	Attach(ctx context.Context, job Job) error

	// Acquire takes lanes over, reading the ledger first, and returns the progress of each of their partitions. Until it
	// is acquired again, or released, what this process commits for a lane builds on that. All open transactions that
	// touch one of the lanes are void. A process that acquires a lane does not stop another one: the first to commit wins.
	// After an error it is called again, without end, unless the error matches ErrStop or ErrLost.
	Acquire(ctx context.Context, lanes []Assignment) (map[record.Partition]Progress, error)

	// Release forgets lanes that were revoked.
	Release(ctx context.Context, lanes []string) error

	// Begin starts a transaction on top of after, which may still be committing; nil means on top of the ledger. If
	// after turns out void, so is this one.
	Begin(after Txn[T]) Txn[T]

	// Maintain does what is nobody's transaction: publishes what others left behind, closes hours, sweeps. The engine
	// calls it after each commit and at least every few seconds, and ends ctx when lanes come or go. It may take long:
	// transactions begin and commit meanwhile. list is Source.Partitions. After an error it is called again, without end,
	// unless the error matches ErrStop or ErrLost.
	Maintain(ctx context.Context, list func(context.Context) ([]record.Partition, error)) (Upkeep, error)

	// Now is the output's own clock, the store's; the engine asks it before it asks a source whether a log has ended. If the
	// clock is in doubt, at is the earliest time that it may be and latest the latest one: event times up to it, and
	// stream.Options.Future beyond it, are no dead letters. Else latest is zero.
	Now(ctx context.Context) (at, latest time.Time, err error)

	// Ledger is called after Attach. The zero Ledger tells nothing.
	Ledger() Ledger
}

// Job is what an Output may know of the job it serves.
type Job struct {
	Source  SourceInfo
	Workers int // Writer.Worker is below it

	// Logs are, if LaneLocal is set and keys move when a log gets more partitions (KeysByCount), how many partitions each has,
	// in order of Source and Epoch. The output remembers them and refuses a log that has more than it remembers with an
	// *AddedPartitionsError, unless KeysInLanes says that this does not matter.
	Logs        []LogSize
	LaneLocal   string // a stage that sees one lane at a time; "" is none
	KeysInLanes bool   // stream.Options.KeysInLanes

	Budget *Budget
	Logger *slog.Logger

	// MayEnd tells whether hours may close up to the last one with files when all partitions have ended. Else more may
	// come, and they close as far as the newest Progress.MaxEventTime less the lateness. It is called by Maintain; nil is always.
	MayEnd func() bool
}

// Upkeep is the state of an output after Maintain.
type Upkeep struct {
	// Settled means that nothing is left to do until another transaction commits: all is published and every hour that
	// can close has closed.
	Settled bool

	EarliestHour time.Time    // start of the first hour that is not closed; zero if none is known
	ClosedHours  int64        // closed by this process
	Clock        record.Clock // of the whole job, for ClockWatcher

	// Complete is how far the clocks of a backfill must get for all that was read to be complete: the end of the hour of the
	// newest Progress.MaxEventTime, and the lateness. Zero if nothing waits for it.
	Complete time.Time

	// Unclosed says why no hour closes although all of its data is in, and what a person has to do about it; nil is well.
	Unclosed error

	// Housekeeping is why what no reader waits for, such as deleting leftovers, fails for now; nil if it does not. It is for
	// Status.Housekeeping.
	Housekeeping error
}

// Txn collects the results of finished records. Write and Reject may be called concurrently for different workers;
// everything else by one goroutine, with no Write under way.
type Txn[T any] interface {
	// Write adds the rows of finished records, sets fates[i] to Written, Late, Filtered (no flow wanted it) or Dead (it
	// cannot be encoded; bad says why, nothing of that row was added), and must not keep rows. An error spoils the transaction,
	// which is dropped, and all of it is read again; one that matches ErrStop stops the job.
	Write(ctx context.Context, w Writer, rows []record.Event[T], fates []record.Fate) (bad []BadRow, err error)

	// Reject adds dead letters. It must not keep their bytes.
	Reject(ctx context.Context, w Writer, dead []DeadLetter) error

	// Bytes is how much was added, encoded. It may be called at any time.
	Bytes() int64

	// Commit makes everything durable at once, together with cut. It retries by itself until ctx is done. An error that
	// matches ErrFenced means void, and that is settled: all lanes must be acquired again. After any other error the
	// outcome is unknown, and only acquiring the lanes again tells it. One that matches ErrStop stops the job.
	Commit(ctx context.Context, cut Cut) (Committed, error)

	// Drop gives the transaction up and deletes what it staged. It may be called only if Commit never was.
	Drop(ctx context.Context) error
}

// Committed is what a Txn tells of a commit that has succeeded.
type Committed struct {
	// LateRows are the rows that came too late for their hour, by flow, those that were dropped for it too. A record may have
	// several rows, so these are not the records whose fate is Late.
	LateRows map[string]int64
}

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

	// Reasons counts finished records that have no row and whose end had a reason; nil if there are none. The most frequent
	// 16 are told apart, others are "other" of their fate. All dead ones are among them.
	Reasons map[record.Reason]int64
}

// LaneCut is the progress of one lane.
type LaneCut struct {
	Lane string

	// Partitions are all partitions of the lane, but for some that had ended and held nothing at an earlier cut.
	Partitions map[record.Partition]Progress

	// Replaying means that pending records of the base are still coming back: clocks must not move yet. Run leaves such lanes
	// out of its cuts altogether; nothing of them has been written then.
	Replaying bool

	// Counts are the records that finished in this transaction, by owner partition, and Read those that were read for
	// the first time. Pending is Progress.Pending.Len.
	Counts map[record.Partition]record.Counts
	Read   map[record.Partition]int64
}
