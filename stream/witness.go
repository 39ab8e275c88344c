package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// BehindError means that the ledger is behind what the job told the source about a partition. The ledger has lost its
// newest entries, for example because somebody restored the store's folder to an earlier moment. Nothing was written.
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

// witnessFor is how long an acquisition waits for the source's answer about committed positions.
const witnessFor = 5 * time.Second

// witness tells the source which positions are committed, and asks it later what it was told. The conductor uses it.
type witness struct {
	source driver.Follower // nil: the source follows nothing
	log    *slog.Logger
	signed bool                                 // the ledger has a name, under which the source keeps what it is told
	untold map[record.Partition]record.Position // committed since it was last told
}

// begin gives the source the ledger.
func (w *witness) begin(ctx context.Context, src driver.Source, info *driver.SourceInfo, l driver.Ledger) error {
	if w.source == nil {
		if info.LanesEnd || info.Follows {
			return fmt.Errorf("stream: the source %s must know what is committed, so it must be a driver.Follower, and %T is none; who wraps a "+
				"source must pass on all of its methods, as by embedding its own type", info.ID, src)
		}
		return nil
	}
	w.signed = l.Signature != ""
	return wrap("go on from the last run", w.source.Begin(ctx, l))
}

// committed notes positions that the source is to be told.
func (w *witness) committed(at map[record.Partition]driver.Progress) {
	if w.source == nil {
		return
	}
	if w.untold == nil {
		w.untold = make(map[record.Partition]record.Position, len(at))
	}
	for p, g := range at {
		w.untold[p] = g.UpTo
	}
}

// take returns the positions that the source was not told yet. The caller tells them.
func (w *witness) take() map[record.Partition]record.Position {
	upTo := w.untold
	w.untold = nil
	return upTo
}

// tell tells the source committed positions. It is advice: an error is logged and forgotten. It may run beside the
// conductor.
func (w *witness) tell(ctx context.Context, upTo map[record.Partition]record.Position) {
	if w.source == nil || len(upTo) == 0 {
		return
	}
	if err := w.source.Ack(ctx, upTo); err != nil && ctx.Err() == nil {
		w.log.Warn("acknowledgement failed", "error", err)
	}
}

// tellFor bounds how long tellNow delays the release of lanes.
const tellFor = time.Second

// tellNow tells the source before lanes are released, since afterwards the source may not speak for them. After tellFor it
// returns, and the call goes on in group.
func (w *witness) tellNow(ctx context.Context, group *sync.WaitGroup) {
	upTo := w.take()
	ctx, cancel := context.WithTimeout(ctx, tellFor)
	group.Go(func() {
		defer cancel()
		w.tell(ctx, upTo)
	})
	<-ctx.Done()
}

// told asks the source which positions it was told. It must come before the ledger is read: then the ledger has every
// commit that others told the source meanwhile.
func (w *witness) told(ctx context.Context, lanes []driver.Assignment) map[record.Partition]record.Position {
	if w.source == nil || !w.signed {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, witnessFor)
	defer cancel()
	var parts []record.Partition
	for _, a := range lanes {
		parts = append(parts, a.Partitions...)
	}
	at, err := w.source.Acked(ctx, parts)
	if err != nil && ctx.Err() == nil || errors.Is(err, context.DeadlineExceeded) {
		w.log.Warn("cannot ask the source what it was told; the ledger is not compared with it", "error", err)
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
