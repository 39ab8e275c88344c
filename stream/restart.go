package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/internal/when"
	"github.com/onceflow/onceflow/stream/driver"
	core "github.com/onceflow/onceflow/stream/internal/lane"
	"github.com/onceflow/onceflow/stream/record"
)

// rebalance answers an assignment message of the source. It commits and releases the revoked lanes, then acquires and opens
// the assigned ones.
func (e *engine[T]) rebalance(ctx context.Context, r *rebalance[T]) error {
	began := time.Now()
	if len(r.batch.Revoked) > 0 {
		if err := e.handOver(ctx, r.batch); err != nil {
			switch {
			case e.hard.Err() != nil:
				return err
			case ctx.Err() != nil && errors.Is(err, driver.ErrFenced):
				return cmp.Or(e.lastCommit(err), ctx.Err())
			case ctx.Err() != nil:
				return err
			}
			return e.restart(ctx, err, r)
		}
	}
	if err := e.waitKeep(ctx); err != nil {
		return err
	}
	if len(r.batch.Revoked) > 0 {
		if err := e.out.Release(ctx, r.batch.Revoked); err != nil {
			return fmt.Errorf("stream: release lanes: %w", err)
		}
	}
	starts, err := e.acquire(ctx, r.batch.Assigned)
	if err != nil {
		return err
	}
	e.opts.Logger.Info("rebalance", "assigned", names(r.batch.Assigned), "revoked", r.batch.Revoked, "took", time.Since(began))
	r.reply <- starts
	return nil
}

func names(assigned []driver.Assignment) (s []string) {
	for _, a := range assigned {
		s = append(s, a.Lane)
	}
	return s
}

// acquire takes lanes over from their former owners and opens them.
func (e *engine[T]) acquire(ctx context.Context, lanes []driver.Assignment) ([]starting[T], error) {
	if len(lanes) == 0 {
		return nil, nil
	}
	for _, a := range lanes {
		if e.lanes.all[a.Lane] != nil {
			return nil, fmt.Errorf("%w: it assigned lane %s, which was assigned before", core.ErrSource, a.Lane)
		}
	}
	if err := e.keys.see(ctx, lanes); err != nil {
		return nil, fmt.Errorf("stream: %w", err)
	}
	e.upkeep.settled = false
	acked := e.witness.told(ctx, lanes)
	at, err := e.takeOver(ctx, lanes)
	if err != nil {
		return nil, fmt.Errorf("stream: acquire lanes: %w", err)
	}
	if err := compare(acked, at); err != nil {
		return nil, err
	}
	if e.commits.open == nil { // a restart: transactions of before are void
		e.commits.begin()
	}
	var over []starting[T]
	if e.info.LanesEnd {
		if lanes, over, err = withoutOver(ctx, e.out, lanes, at); err != nil {
			return nil, err
		}
	}
	starts, err := e.openLanes(lanes, at)
	e.status.board.lanes(len(e.lanes.all))
	e.status.board.reaches(e.lanes.committed())
	return append(over, starts...), err
}

// openLanes opens the stages of acquired lanes and gives each lane to a worker. The source starts them later.
func (e *engine[T]) openLanes(assigned []driver.Assignment, at map[record.Partition]driver.Progress) ([]starting[T], error) {
	var starts []starting[T]
	for _, a := range assigned {
		from := make(map[record.Partition]driver.Progress, len(a.Partitions))
		for _, p := range a.Partitions {
			from[p] = at[p]
		}
		l := &lane[T]{assignment: a, w: e.workers.leastBusy()}
		wake := func() {
			if !l.woken.Swap(true) {
				l.w.woken.Store(true)
				l.w.inbox.signal()
			}
		}
		var err error
		l.core, err = core.Open(e.pipe.chain, core.Spec[T]{
			Assignment: a, From: from, Now: e.opts.Now, Wake: wake, KeepRecords: e.opts.KeepRecords, Source: e.info,
			Scratch: l.w.scratch, Worker: l.w.index, Txn: &l.w.open,
		})
		if err != nil {
			return nil, err
		}
		l.committed, l.over = clockOf(from), isOver(from)
		e.lanes.all[a.Lane] = l
		l.w.loads++
		l.w.inbox.do(func(ctx context.Context) error {
			l.w.lanes = append(l.w.lanes, l)
			if l.w.stuck != nil { // they begin again anyway
				return nil //nolint:nilerr // that error has been told
			}
			l.w.begin(l)
			err := l.core.Begin(ctx)
			l.w.end(l)
			return err
		})
		starts = append(starts, starting[T]{l, driver.Start{Lane: a.Lane, From: from, Warmup: l.core.Warmup(), WarmFrom: l.core.WarmFrom()}})
	}
	e.lanes.share()
	if slices.ContainsFunc(assigned, func(a driver.Assignment) bool { return a.Moved }) {
		e.signals.ask("moved")
	}
	return starts, nil
}

// letGo removes the lanes that workers have closed from the engine, the output and the source.
func (e *engine[T]) letGo(ctx context.Context) error {
	if e.upkeep.running {
		return nil // no release runs beside upkeep; afterKeep calls this again
	}
	closed := e.lanes.gone()
	if len(closed) == 0 {
		return nil
	}
	lanes := make([]string, len(closed))
	for i, l := range closed {
		lanes[i] = l.assignment.Lane
	}
	if err := e.out.Release(ctx, lanes); err != nil {
		return fmt.Errorf("stream: release lanes: %w", err)
	}
	e.lanes.forget(closed...)
	e.status.board.lanes(len(e.lanes.all))
	e.poller.do(func(context.Context) error { e.poller.finished(lanes); return nil })
	return nil
}

// takeOver retries an acquisition with the same patience as upkeep. With a shorter limit, an outage of 30 seconds of the
// store ended jobs that were restarting or rebalancing.
func (e *engine[T]) takeOver(ctx context.Context, lanes []driver.Assignment) (at map[record.Partition]driver.Progress, err error) {
	both, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.hard, cancel)()
	e.status.board.acquires(time.Now())
	defer e.status.board.acquires(time.Time{})
	var impatient error
	again := func(_ int, err error) bool {
		if stops(err) {
			return false
		}
		since := e.status.board.fails(&e.status.board.work, "the output", time.Now(), err)
		e.opts.Logger.Warn("acquisition failed", "error", err, "for", since)
		impatient = e.opts.outOfPatience(since, err)
		return impatient == nil
	}
	err = retry.Loop{First: firstAgain, Most: mostAgain, Again: again}.Do(both, func(ctx context.Context) (err error) {
		at, err = e.out.Acquire(ctx, lanes)
		return err
	})
	if impatient != nil {
		return nil, impatient
	}
	if err != nil && both.Err() != nil { // the last failure is not why it is given up
		err = errors.Join(cmp.Or(ctx.Err(), context.Cause(e.hard)), err)
	}
	return at, err
}

// handOver commits the work of the revoked lanes before the source's deadline. After an error that work is void, or the
// outcome of its commit is unknown.
func (e *engine[T]) handOver(ctx context.Context, b *driver.Batch) error {
	deadline := time.Now().Add(e.opts.Shutdown)
	if !b.Deadline.IsZero() {
		// A passed deadline still gets a second, since without the commit the other lanes' work in this transaction is
		// void, too.
		deadline = when.Later(b.Deadline, time.Now().Add(time.Second))
	}
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	e.upkeep.hasten()
	var revoked []*lane[T]
	for _, name := range b.Revoked {
		if l := e.lanes.all[name]; l != nil {
			revoked = append(revoked, l)
		}
	}
	cut := false
	for {
		if e.commits.running == nil && !e.upkeep.running {
			if cut {
				e.witness.tellNow(e.hard, &e.group)
				return nil
			}
			e.commits.want = "rebalance"
			if err := e.cut(revoked...); err != nil {
				return err
			}
			e.lanes.forget(revoked...)
			e.status.board.lanes(len(e.lanes.all))
			e.status.board.reaches(e.lanes.committed())
			cut = true
			continue
		}
		select {
		case c := <-e.commits.done:
			e.commits.running = nil
			e.status.board.committing(time.Time{})
			if c.err != nil {
				return c.err
			}
			e.commits.worked(e.status.board)
			e.record(c)
		case u := <-e.upkeep.done:
			e.keepEnded(ctx, u)
		case <-timer.C:
			return errDeadline
		case <-ctx.Done():
			return ctx.Err()
		case <-e.hard.Done():
			return context.Cause(e.hard)
		}
	}
}

var errDeadline = errors.New("the source's deadline has passed")

// restart begins all lanes again from the ledger, after a commit that is void or whose outcome is unknown. r is the
// rebalance in progress, or nil.
func (e *engine[T]) restart(ctx context.Context, cause error, r *rebalance[T]) error {
	fenced := errors.Is(cause, driver.ErrFenced)
	e.commits.failures++
	e.status.board.failed(fenced)
	e.opts.Logger.Warn(map[bool]string{true: "fenced", false: "commit failed"}[fenced], "error", cause, "lanes", len(e.lanes.all), "attempt", e.commits.failures)
	switch {
	case fenced || errors.Is(cause, errDeadline):
	case stops(cause):
		return fmt.Errorf("stream: commit: %w", cause)
	default:
		since := e.status.board.fails(&e.status.board.work, "the output", time.Now(), cause)
		if err := e.opts.outOfPatience(since, cause); err != nil {
			return err
		}
	}
	release := func([]starting[T]) {}
	if r == nil { // else the poller waits for the answer to it
		var err error
		if release, err = e.poller.park(ctx, e.hard); err != nil {
			return err
		}
	}
	if err := e.abandon(ctx); err != nil {
		return err
	}
	select {
	case <-e.poller.eof: // said of lanes that begin again
	default:
	}
	e.end = sourceEnd{timer: e.end.timer}
	e.upkeep.fill.over.Store(false)
	if r == nil { // the poller may have just sent a rebalance; then it waits for the reply
		select {
		case pending := <-e.poller.rebalances:
			r = &pending
			release(nil)
		default:
		}
	}
	lanes := e.lanes.close(r)
	if n := e.commits.failures; n > 1 {
		if err := waitAgain(ctx, e.hard, n); err != nil {
			return err
		}
	}
	if r != nil && len(r.batch.Revoked) > 0 {
		if err := e.out.Release(ctx, r.batch.Revoked); err != nil {
			return fmt.Errorf("stream: release lanes: %w", err)
		}
	}
	starts, err := e.acquire(ctx, lanes)
	if err != nil {
		return err
	}
	if e.commits.open == nil {
		e.commits.begin()
	}
	if r != nil {
		r.reply <- starts
	} else {
		release(starts)
	}
	e.commits.want = ""
	// The timer may have fired before the restart. What was read before is committed as soon as it was read again: see backlog.
	// Of lanes that have gone some never is, and then the timer cuts.
	e.commits.timer.Reset(retry.Around(e.opts.CommitEvery))
	return nil
}

// abandon ends the running commit and upkeep, takes all lanes from the workers and drops the open transaction.
func (e *engine[T]) abandon(ctx context.Context) error {
	if e.commits.running != nil {
		e.commits.running.cancel() // first: upkeep may be waiting for it
	}
	if err := e.waitKeep(ctx); err != nil {
		return err
	}
	if e.commits.running != nil {
		select {
		case <-e.commits.done:
			e.commits.running = nil
			e.status.board.committing(time.Time{})
		case <-e.hard.Done():
			return context.Cause(e.hard)
		}
	}
	done := make(chan error, len(e.workers))
	for _, w := range e.workers {
		w.inbox.do(func(context.Context) error {
			err := w.remove(w.lanes...)
			w.mend()
			done <- err
			return err
		})
	}
	var errs []error
	stopped := gather(e.hard, e.hard, len(e.workers), done, func(err error) { errs = append(errs, err) })
	if err := errors.Join(append(errs, stopped)...); err != nil {
		return err
	}
	select {
	case <-e.signals.spoiled: //nolint:errcheck // said of the transaction that ends here
	default:
	}
	e.commits.spoilt = nil
	e.status.backlog.giveUp()
	e.commits.drop(ctx)
	return nil
}

// firstAgain and mostAgain bound the pause between two attempts of what fails.
const firstAgain, mostAgain = 200 * time.Millisecond, 5 * time.Second

// waitAgain waits before the next attempt. The pause grows with the number of failed ones.
func waitAgain(ctx, hard context.Context, fails int) error {
	timer := time.NewTimer(retry.Around(retry.Pause(firstAgain, mostAgain, fails)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-hard.Done():
		return context.Cause(hard)
	}
}
