package stream

import (
	"sync/atomic"
	"time"

	core "github.com/onceflow/onceflow/stream/internal/lane"
)

// backfill knows for how long a job with Options.Backfill has read its logs to their ends. It is in memory only, so a new
// process waits again. Only upkeep uses it, except for over.
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

// resting says how a proof may move the clocks. since is when the last of all partitions of the process was found at its
// end; zero if one was not.
func (b *backfill) resting(since time.Time) core.Rest {
	long := b.quiet() && !since.IsZero() && b.now.Sub(since) >= b.patience
	return core.Rest{Long: long, To: b.complete}
}
