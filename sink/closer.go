package sink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// errAsk means that a Close lost its slot, so that the clock and the source must be asked again.
var errAsk = errors.New("sink: a close lost its slot")

// closeHours closes and seals all hours that can close. It reports whether nothing is left to do before another
// transaction commits or the store's clock moves on.
func (k *keeper) closeHours(ctx context.Context, now time.Time, list func(context.Context) ([]record.Partition, error)) (bool, error) {
	for range 10 {
		due, waits := k.closeDue()
		if !due {
			return true, nil
		}
		if len(waits) > 0 {
			if all, err := k.publishOthers(ctx, now, waits, hourAfter); err != nil || !all {
				return false, err
			}
			continue
		}
		err := k.closeOnce(ctx, list)
		switch {
		case errors.Is(err, errAsk): // it may have been a Close, whose seals come first
			if sealed, err := k.sealClosed(ctx, now); err != nil || !sealed {
				return false, err
			}
			continue
		case errors.Is(err, errNotYet):
			return true, nil
		case errors.Is(err, driver.ErrFenced):
			k.log.Debug("cannot close yet", "err", err)
			return true, nil
		case err != nil:
			return false, err
		}
		if sealed, err := k.sealClosed(ctx, now); err != nil || !sealed {
			return false, err
		}
	}
	return false, nil
}

// farFuture is after every clock, and far enough from the end of time.Time that subtracting from it is safe.
var farFuture = time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC)

// closeDue reports whether an hour could close as far as the known partitions go, and which entries would have to be
// published first.
func (k *keeper) closeDue() (due bool, waits []uint64) {
	k.env.Lock(&k.mu)
	defer k.mu.Unlock()
	s := *k.state
	s.Pending = nil
	from, _, due := s.CloseDue(k.asFar(farFuture), k.lateness())
	if !due {
		return false, nil
	}
	end := from.Add(k.opts.Hour)
	for id, p := range k.state.Pending {
		if len(p.Hours) > 0 && p.Hours[0].Before(end) && !k.isPublished(id) {
			waits = append(waits, id)
		}
	}
	slices.Sort(waits)
	return true, waits
}

// asFar is now, or less if all partitions have ended and more may be to come: then the newest event bounds hours as it did
// while its partition was read. It needs mu.
func (k *keeper) asFar(now time.Time) time.Time {
	if k.mayEnd == nil || !k.state.AllEnded() || k.mayEnd() {
		return now
	}
	if newest := k.state.Newest(); newest.Before(now) {
		return newest
	}
	return now
}

var errNotYet = errors.New("sink: it is too early to close")

// closeOnce appends one Close, for all hours that can close now. The order of its questions matters: first the store's
// clock, then the source's partitions, so that a partition that appears later can have no record of those hours.
func (k *keeper) closeOnce(ctx context.Context, list func(context.Context) ([]record.Partition, error)) error {
	at, err := k.now(ctx)
	if err != nil {
		return err
	}
	from, through, ok := k.closeRange(at)
	if !ok {
		return errNotYet
	}
	if through, err = k.beforeGap(ctx, from, through, at); err != nil {
		return err
	}
	if k.seal.Verify {
		if err := k.verifyFiles(ctx, through); err != nil {
			return err
		}
	}
	parts, err := list(ctx)
	if err != nil {
		return fmt.Errorf("sink: list the source's partitions: %w", err)
	}
	e := &ledger.Entry{Kind: ledger.KindClose, Token: newToken(k.env), Published: k.marks(), Sealed: k.sealedMark()}
	e.Close = &ledger.Close{
		From: from, Through: through, At: at, Lateness: k.lateness(), EmptyHours: k.seal.EmptyHours, Listed: len(parts), ListedHash: ledger.HashPartitions(parts),
		Flows: k.flowNames, Seal: k.seal.Name, JSON: k.seal.JSON, Generation: k.opts.Generation,
	}
	asked := false
	id, err := k.append(ctx, e, func(s *ledger.State, e *ledger.Entry) error {
		if asked {
			return errAsk
		}
		asked = true
		return s.CheckClose(e, parts)
	})
	if err != nil {
		return err
	}
	k.env.Lock(&k.mu)
	for _, c := range k.closings {
		if c.entry == id {
			c.ours, c.sealed = true, from
		}
	}
	hours := k.state.Genesis.Hours(from, through)
	k.mu.Unlock()
	k.closedHours += hours
	k.log.Info("closed hours", "from", from, "through", through, "entry", id)
	k.saveSnapshot(ctx, id)
	return nil
}

// closeRange is State.CloseDue, with the entries that we know to be published taken for marked.
func (k *keeper) closeRange(at time.Time) (from, through time.Time, ok bool) {
	k.env.Lock(&k.mu)
	defer k.mu.Unlock()
	s := *k.state
	s.Pending = map[uint64]ledger.Pending{}
	for id, p := range k.state.Pending {
		if !k.isPublished(id) {
			s.Pending[id] = p
		}
	}
	return s.CloseDue(k.asFar(at), k.lateness())
}
