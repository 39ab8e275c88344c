package sink

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink/internal/clock"
	"github.com/onceflow/onceflow/sink/internal/hours"
	"github.com/onceflow/onceflow/sink/internal/journal"
	"github.com/onceflow/onceflow/sink/internal/upkeep"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// readEvery is how often upkeep reads what others have appended. It costs a request. Most work follows our own commits,
// which read the ledger anyway.
const readEvery = time.Minute

// housekeeper does the work that belongs to no transaction. One goroutine at a time uses it.
type housekeeper struct {
	journal   *journal.Journal
	clock     *clock.Clock
	lateness  time.Duration // negative: hours are not closed
	leftovers *upkeep.Leftovers
	sweeper   *upkeep.Sweeper
	packs     *upkeep.Packs
	forgetter *upkeep.Forgetter // nil if our topics are not those of the ledger's last Config
	closer    *hours.Closer     // the same, or if hours are not closed

	last     driver.Upkeep
	nextRead time.Time
}

// maintain is Maintain of driver.Output. The engine tries again after its errors, without end. Errors that match
// driver.ErrStop end the job: an entry, manifest or seal that is not what its author wrote, or is of a newer version; a
// committed file whose staging is gone; files that seal.Options.Verify finds changed.
func (h *housekeeper) maintain(ctx context.Context, list func(context.Context) ([]record.Partition, error)) (driver.Upkeep, error) {
	if h.journal.Busy() { // a commit is appending; it must not wait for us, nor we for it
		return h.last, nil
	}
	e := h.journal.Objects.Env
	now := e.Now()
	if !now.Before(h.nextRead) {
		if err := h.journal.Read(ctx); err != nil {
			return h.last, err
		}
		h.nextRead = now.Add(e.Jitter(readEvery))
	}
	settled, err := h.steps(ctx, now, list)
	if err = errors.Join(err, h.sweeper.IfDue(ctx, now), h.packs.IfDue(ctx, now)); err != nil {
		return h.last, err
	}
	up := driver.Upkeep{Settled: settled, Housekeeping: cmp.Or(h.sweeper.Failed(), h.packs.Failed())}
	if h.closer != nil {
		up.ClosedHours, up.Unclosed = h.closer.Hours()
		up.Merge = h.closer.Merge()
	}
	up.Unclosed = cmp.Or(up.Unclosed, h.clock.Doubt())
	up.Outrun = h.journal.Outrun()
	h.journal.Look(func(s *ledger.State) {
		up.EarliestHour, up.Clock, up.Complete = s.NextHour(), s.Lanes.Clock(), s.Complete(h.lateness)
		up.Entry, up.Closed, up.Sealed, up.Unpublished = s.Last, s.Hours.Closed, s.Hours.Sealed, len(s.Unpublished)
	})
	h.last = up
	h.last.Settled = false // for calls that find no time to look
	return up, nil
}

// steps does the work that readers may wait for. After a step has failed the others still run.
func (h *housekeeper) steps(ctx context.Context, now time.Time, list func(context.Context) ([]record.Partition, error)) (bool, error) {
	settled, err := h.leftovers.Own(ctx, now)
	if h.closer != nil {
		closed, failed := h.closer.Close(ctx, now, list)
		settled, err = settled && closed, errors.Join(err, failed)
	}
	if h.forgetter != nil {
		err = errors.Join(err, h.forgetter.Forget(ctx, now, list))
	}
	return settled, err
}
