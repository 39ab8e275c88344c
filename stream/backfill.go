package stream

import (
	"sync/atomic"
	"time"

	core "github.com/onceflow/onceflow/stream/internal/lane"
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

// resting works out what the partitions of the process may do whose ends are proved at now. since is when the last of all of
// them was found at its end, or zero if some have not been.
func (b *backfill) resting(since time.Time) core.Rest {
	long := b.quiet() && !since.IsZero() && b.now.Sub(since) >= b.patience
	return core.Rest{Long: long, To: b.complete}
}
