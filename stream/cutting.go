package stream

import (
	"context"
	"iter"
	"time"

	"github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/internal/when"
	"github.com/onceflow/onceflow/stream/driver"
	core "github.com/onceflow/onceflow/stream/internal/lane"
	"github.com/onceflow/onceflow/stream/internal/reasons"
	"github.com/onceflow/onceflow/stream/record"
)

// commit is a transaction that is being committed.
type commit[T any] struct {
	txn    driver.Txn[T]
	cut    driver.Cut
	lanes  []core.Cut
	told   driver.Committed
	reason string
	began  time.Time
	cancel context.CancelFunc
	err    error
}

// cut stops all workers between two slices and takes the progress of the lanes that changed. Then the workers go on with
// the next transaction, while a goroutine commits the old one.
func (e *engine[T]) cut(revoked ...*lane[T]) error {
	reason := e.commits.want
	e.commits.want = ""
	e.commits.timer.Reset(retry.Around(e.opts.CommitEvery))
	lanes, resume, err := e.workers.barrier(e.hard, revoked, e.fail)
	if err != nil {
		return err
	}
	defer resume()
	if len(lanes) == 0 {
		if e.memory.choked.Load() {
			e.poller.do(func(context.Context) error { e.poller.unchoke(0); return nil })
		}
		return nil
	}
	old := e.commits.open
	e.commits.open = e.out.Begin(old)
	for _, w := range e.workers {
		w.open = e.commits.open
	}
	hold, cancel := context.WithCancel(context.WithoutCancel(e.hard)) // an error elsewhere does not void what is finished
	c := &commit[T]{txn: old, cut: cutOf(lanes), lanes: lanes, reason: reason, began: time.Now(), cancel: cancel}
	e.commits.running = c
	e.status.board.committing(c.began)
	e.group.Go(func() {
		c.told, c.err = c.txn.Commit(hold, c.cut)
		cancel()
		e.commits.done <- c
	})
	return nil
}

// cutOf makes the output's part of a cut.
func cutOf(lanes []core.Cut) driver.Cut {
	cut := driver.Cut{Lanes: make([]driver.LaneCut, len(lanes)), Reasons: reasons.Sum(reasonsOf(lanes))}
	for i := range lanes {
		cut.Lanes[i] = lanes[i].LaneCut
	}
	return cut
}

func reasonsOf(lanes []core.Cut) iter.Seq[map[record.Reason]int64] {
	return func(yield func(map[record.Reason]int64) bool) {
		for i := range lanes {
			if !yield(lanes[i].Reasons) {
				return
			}
		}
	}
}

// afterCommit handles the result of a commit.
func (e *engine[T]) afterCommit(ctx context.Context, c *commit[T]) error {
	e.commits.running = nil
	e.status.board.committing(time.Time{})
	if c.err != nil {
		return e.restart(ctx, c.err, nil)
	}
	e.commits.worked(e.status.board)
	e.record(c)
	e.upkeep.settled = false // that was said of what came before
	if e.info.LanesEnd {
		e.lanes.end(c)
	}
	if err := e.letGo(ctx); err != nil { // of earlier commits
		return err
	}
	e.upkeep.again = e.upkeep.running
	e.keep(ctx)
	open := e.commits.open.Bytes()
	e.poller.do(func(context.Context) error { e.poller.unchoke(open); return nil })
	return nil
}

// record notes a commit that succeeded.
func (e *engine[T]) record(c *commit[T]) {
	var sum record.Counts
	var pending, records int64
	var oldest time.Time
	for _, lc := range c.cut.Lanes {
		for p, n := range lc.Counts {
			sum.Add(n)
			records += lc.Read[p]
			pending += int64(lc.Partitions[p].Pending.Len())
		}
		e.witness.committed(lc.Partitions)
		k := clockOf(lc.Partitions)
		if l := e.lanes.all[lc.Lane]; l != nil {
			l.committed, l.over = k, isOver(lc.Partitions)
		}
	}
	for _, l := range e.lanes.all {
		oldest = when.First(oldest, l.committed.Pending)
	}
	e.status.backlog.committed(records)
	e.status.board.reaches(e.lanes.committed())
	now := time.Now()
	fruitless := e.status.board.commit(&CommitStatus{
		Began: c.began, Ended: now, Reason: c.reason, Entry: c.told.Entry, Lanes: len(c.cut.Lanes), Read: records, Counts: sum, Files: c.told.Files,
		CommitTimes: c.told.CommitTimes,
	}, oldest, c.cut.Reasons, c.told.LateRows)
	line := []any{"lanes", len(c.cut.Lanes), "records", records, "pending", pending, "bytes", c.txn.Bytes(), "reason", c.reason, "took", now.Sub(c.began)}
	for f, n := range sum {
		line = append(line, record.Fate(f).String(), n)
	}
	if len(c.cut.Reasons) > 0 {
		line = append(line, "why", reasonsText(c.cut.Reasons))
	}
	if late := c.told.LateRows; len(late) > 0 {
		line = append(line, "late_rows", late)
	}
	e.opts.Logger.Info("commit", line...)
	if fruitless != nil {
		e.opts.Logger.Warn("no record has a row", "error", fruitless)
	}
	e.status.board.tellBeginnings(e.opts.Logger, now, c.lanes)
	e.status.observe()
}
