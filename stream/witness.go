package stream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// BehindError means that the ledger says less of a partition than the source was told was committed: it has lost its
// newest entries, as when the store's folder was restored to an earlier moment. Nothing was written.
type BehindError struct {
	Partition record.Partition
	Committed record.Position // as the ledger says
	Acked     record.Position // as the source was told
}

// Is reports whether target is ErrStop: waiting does not bring the lost commits back.
func (e *BehindError) Is(target error) bool { return target == driver.ErrStop }

func (e *BehindError) Error() string {
	committed := "nothing"
	if !e.Committed.IsZero() {
		committed = "position " + e.Committed.String()
	}
	return fmt.Sprintf("stream: partition %s: this job has told the source that position %s was committed, and its ledger says %s. The "+
		"output may have been restored to an earlier moment. If files that were written later are still there, going on would write their "+
		"rows twice: restore the newest state. If they are gone, too, going on makes them again: delete what the source was told (with Kafka "+
		"the offsets of the consumer group: kafka-consumer-groups --delete-offsets) and start again", e.Partition, e.Acked, committed)
}

// witnessFor is how long an acquisition waits for what the source was told.
const witnessFor = 5 * time.Second

// beginFollower tells a source that follows the ledger about it.
func (e *engine[T]) beginFollower(ctx context.Context) error {
	if e.follower == nil {
		if e.info.LanesEnd {
			return fmt.Errorf("stream: the lanes of the source %s end one by one, so it must be a driver.Follower, and %T is none; who wraps a "+
				"source must pass on all of its methods, as by embedding its own type", e.info.ID, e.src)
		}
		return nil
	}
	l := e.out.Ledger()
	e.signed = l.Signature != ""
	return wrap("go on from the last run", e.follower.Begin(ctx, l))
}

// acked asks what the source was told of lanes. It comes before the ledger is read: what others commit and tell it
// meanwhile the ledger then has, too.
func (e *engine[T]) acked(ctx context.Context, lanes []driver.Assignment) map[record.Partition]record.Position {
	if e.follower == nil || !e.signed {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, witnessFor)
	defer cancel()
	var parts []record.Partition
	for _, a := range lanes {
		parts = append(parts, a.Partitions...)
	}
	at, err := e.follower.Acked(ctx, parts)
	if err != nil && ctx.Err() == nil || errors.Is(err, context.DeadlineExceeded) {
		e.opts.Logger.Warn("cannot ask the source what it was told; the ledger is not compared with it", "error", err)
	}
	return at
}

// compare refuses a ledger that is behind what the source was told.
func compare(acked map[record.Partition]record.Position, at map[record.Partition]driver.Progress) error {
	order := func(a, b record.Partition) int { return strings.Compare(a.String(), b.String()) }
	for _, p := range slices.SortedFunc(maps.Keys(acked), order) {
		if pr, ok := at[p]; ok && acked[p].Compare(pr.UpTo) > 0 {
			return &BehindError{Partition: p, Committed: pr.UpTo, Acked: acked[p]}
		}
	}
	return nil
}
