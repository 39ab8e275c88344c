package sink

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// How often things are done that nothing asks for. They cost requests; the work that matters follows our own commits.
const (
	readEvery  = time.Minute // what others have appended
	sweepEvery = time.Hour
	sweepAgain = time.Minute // after one that failed
)

// maintain does what is nobody's transaction: see driver.Output. Its errors are tried again by the engine, without end, but
// for those that match driver.ErrStop: an entry, manifest or seal that is not what its author wrote, or of a newer version; a
// committed file whose staging is gone; files that seal.Options.Verify finds changed.
func (k *keeper) maintain(ctx context.Context, list func(context.Context) ([]record.Partition, error)) (driver.Upkeep, error) {
	if !k.mu.TryLock() { // a commit is appending; it must not wait for us, nor we for it
		return k.last, nil
	}
	k.mu.Unlock()
	now := k.env.Now()
	if k.readDue(now) {
		if err := k.read(ctx); err != nil {
			return k.last, err
		}
		k.nextRead = now.Add(k.env.Jitter(readEvery))
	}
	settled, err := k.upkeepSteps(ctx, now, list)
	if err = errors.Join(err, k.sweepIfDue(ctx, now)); err != nil {
		return k.last, err
	}
	k.env.Lock(&k.mu)
	defer k.mu.Unlock()
	k.last = driver.Upkeep{
		Settled: settled, EarliestHour: k.state.NextHour(), ClosedHours: k.closedHours, Clock: k.state.Clock(), Housekeeping: k.unswept,
		Complete: k.state.Complete(k.lateness()),
		Unclosed: cmp.Or(k.unclosed, k.clock.doubts()),
	}
	up := k.last
	k.last.Settled = false // for calls that find no time to look
	return up, nil
}

// upkeepSteps does what readers may wait for. A step that fails does not keep the others from their work.
func (k *keeper) upkeepSteps(ctx context.Context, now time.Time, list func(context.Context) ([]record.Partition, error)) (bool, error) {
	settled, err := k.publishOwn(ctx, now)
	if k.seal != nil && k.mayClose {
		sealed, failed := k.sealClosed(ctx, now)
		if failed == nil && sealed {
			sealed, failed = k.closeHours(ctx, now, list)
		}
		settled, err = settled && sealed, errors.Join(err, failed)
	}
	if k.mayClose {
		err = errors.Join(err, k.forget(ctx, now, list))
	}
	return settled, err
}

// sweepIfDue sweeps now and then. Nobody waits for it, so what fails is logged, told in Upkeep.Housekeeping and tried again,
// after a minute at first and less often later. Its error is one that ends the job whoever meets it.
func (k *keeper) sweepIfDue(ctx context.Context, now time.Time) error {
	if now.Before(k.nextSweep) || ctx.Err() != nil {
		return nil //nolint:nilerr // the end of the context is said elsewhere
	}
	err := k.sweep(ctx)
	switch {
	case err == nil:
		k.unswept, k.sweepFails = nil, 0
		k.nextSweep = now.Add(k.env.Jitter(sweepEvery))
	case errors.Is(err, driver.ErrStop):
		return err
	case ctx.Err() == nil:
		k.unswept = err
		pause := min(sweepAgain<<min(k.sweepFails, 10), sweepEvery)
		k.sweepFails++
		k.nextSweep = now.Add(pause)
		k.log.Warn("sweeping failed", "err", err, "again in", pause)
	}
	return nil
}

// readDue reports whether it is time to see what others have appended: now and then, and when one of their entries is
// all that we wait for.
func (k *keeper) readDue(now time.Time) bool { return !now.Before(k.nextRead) }
