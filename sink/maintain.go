package sink

import (
	"cmp"
	"context"
	"time"

	"github.com/onceflow/onceflow/internal/mutant"
	"github.com/onceflow/onceflow/stream"
)

// How often things are done that nothing asks for. They cost requests; the work that matters follows our own commits.
const (
	readEvery  = time.Minute // what others have appended
	sweepEvery = time.Hour
)

// maintain does what is nobody's transaction: see stream.Output.
func (k *keeper) maintain(ctx context.Context, list func(context.Context) ([]stream.Partition, error)) (stream.Upkeep, error) {
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
	if err != nil {
		return k.last, err
	}
	k.env.Lock(&k.mu)
	defer k.mu.Unlock()
	k.last = stream.Upkeep{
		Settled: settled, EarliestHour: k.state.NextHour(), ClosedHours: k.closedHours, Clock: k.state.Clock(),
		Complete: k.state.Complete(k.lateness()),
		Unclosed: cmp.Or(k.unclosed, k.clock.doubts()),
	}
	up := k.last
	k.last.Settled = false // for calls that find no time to look
	return up, nil
}

func (k *keeper) upkeepSteps(ctx context.Context, now time.Time, list func(context.Context) ([]stream.Partition, error)) (bool, error) {
	settled, err := k.publishOwn(ctx, now)
	if err != nil {
		return false, err
	}
	if k.seal != nil && (k.mayClose || mutant.On("T14c")) {
		sealed, err := k.sealClosed(ctx, now)
		if err != nil {
			return false, err
		}
		if sealed {
			if sealed, err = k.closeHours(ctx, now, list); err != nil {
				return false, err
			}
		}
		settled = settled && sealed
	}
	if k.mayClose {
		if err := k.forget(ctx, now, list); err != nil {
			return false, err
		}
	}
	if !now.Before(k.nextSweep) {
		if err := k.sweep(ctx); err != nil {
			return false, err
		}
		k.nextSweep = now.Add(k.env.Jitter(sweepEvery))
	}
	return settled, nil
}

// readDue reports whether it is time to see what others have appended: now and then, and when one of their entries is
// all that we wait for.
func (k *keeper) readDue(now time.Time) bool { return !now.Before(k.nextRead) }
