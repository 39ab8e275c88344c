package kinesis

import (
	"context"
	"time"
)

// assigner decides which lanes this process reads, among the processes of a job. It is advice: two processes that read one
// lane do no harm but void work, since the ledger lets one of them commit. So an assigner may be late and may be wrong for
// a while, but it must not leave a lane without a reader for ever.
//
// SetLanes, Next and Release are called by one goroutine each, beside each other.
type assigner interface {
	// SetLanes tells which lanes the job has now, sorted, each once: those to share among the processes. It is called
	// at the start and whenever the list changes: shards split, merge and expire. A lane that is no longer in it needs no
	// reader any more, whoever had it. Processes learn of a change at different times, so one may know of a lane that
	// another does not. Kept are those of them that are new and that this process reads already, since they were part of
	// another lane that is no longer in the list: it should go on with them, and the next Next has them. It must not block
	// for I/O and must not keep the slices.
	SetLanes(lanes, kept []string)

	// Next blocks until the lanes that this process should read differ from what the last Next returned, the first being
	// compared with none, and returns all of them, sorted. Lanes that are missing in it are to be given up: the process
	// commits what it has of them, by the deadline if that is not zero, and calls Release. A lane that was lost to
	// another process is missing too; Release is called all the same. Lanes not known from SetLanes are ignored.
	//
	// An error stops the job, unless ctx is done: what may pass is retried inside.
	Next(ctx context.Context) (lanes []string, deadline time.Time, err error)

	// Release tells that this process has given lane up: what it had done is committed or void, and another process may
	// begin. It must not block for I/O.
	Release(lane string)

	// Close gives all lanes up, so that others can begin at once, and ends what runs in the background. The last commit
	// is done by then.
	Close() error
}
