package stream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/internal/terminal"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// Run runs the pipe. It returns nil after ctx has ended and what is finished by then is committed. It returns nil, too,
// once the source has ended and everything is committed and published. Else it returns the first error. It closes neither
// source nor output. Signals are the caller's: use signal.NotifyContext.
//
// An outage of the output does not end Run, however long it lasts. Meanwhile the source is paused; afterwards the engine
// reads again what was not committed. ErrStop names the errors that end the job.
//
// After an error all that was committed stays. All else is void, and the next Run does it again. After an error of
// Source.Poll Run first commits what the source gave before it. An error that matches ErrLost needs a person. A *StageError
// names the stage.
//
// A panic in a user's function that is called for one record or event makes a dead letter of that record. In Decode's parse
// and Map's function it does so only under Recover. Any other panic ends the process: a process that dies loses nothing,
// one that limps on could.
//
// Options.Logger gets, at level Info: "commit" (lanes, records, pending, bytes, reason, took), "closed hours" (hours,
// earliest), "rebalance" (assigned, revoked, took), "start" and "stop"; at level Warn: "fenced" (error, lanes, attempt),
// "commit failed" (error, lanes, attempt), "acquisition failed" (error, for), "upkeep failed" (error, for), "the source does
// not answer" (error, for), "stalled" (error); at level Error: "stop" (error), unless the job has ended well. Each has the instance.
func Run[T any](ctx context.Context, p Pipe[T], out driver.Output[T], opts *Options) error {
	o, err := opts.filled()
	if err == nil {
		err = p.check()
	}
	if err == nil && out == nil {
		err = errors.New("stream: Run needs an output, and got nil")
	}
	if err != nil {
		return err
	}
	return newEngine(p, out, o).run(ctx)
}

// engine runs a job. The conductor goroutine runs engine.run; it alone acquires, cuts and ends lanes. The others are the
// poller, the workers, the status, and, while they are under way, one commit and one round of upkeep.
type engine[T any] struct {
	out  driver.Output[T]
	pipe Pipe[T]
	opts Options

	// hard ends when Run gives up: on an error, or when the last commit takes too long. The steps of a graceful end outlive
	// the caller's context, so they use hard.
	hard context.Context
	stop context.CancelCauseFunc

	workers pool[T]
	poller  *poller[T]
	group   sync.WaitGroup
	memory  *memory
	clock   storeClock
	born    time.Time // with its monotonic reading; a moment before the engine was made

	info driver.SourceInfo

	signals signals // to the conductor and the workers

	// The conductor's.
	lanes   *roster[T]
	commits commits[T]
	end     sourceEnd
	keys    *keyWatch
	witness *witness
	upkeep  *upkeeper[T]

	status *observer[T]
}

func newEngine[T any](p Pipe[T], out driver.Output[T], o Options) *engine[T] {
	e := &engine[T]{
		out: out, pipe: p, opts: o, memory: newMemory(o.Memory), born: time.Now().Add(-time.Second),
		signals: signals{asks: make(chan string, 1), spoiled: make(chan error, 1)},
	}
	e.keys = &keyWatch{src: p.src, log: o.Logger, stage: p.laneLocal(), accept: o.KeysInLanes}
	follower, _ := p.src.(driver.Follower)
	e.status = &observer[T]{
		src: p.src, opts: &e.opts, board: &statusBoard{}, memory: e.memory, clock: &e.clock,
		terminal: o.Progress != nil && terminal.Is(o.Progress),
	}
	e.poller = newPoller[T](p.src, follower, e.memory, &e.status.backlog, e.keys, o.Logger, e.signals.ask)
	e.lanes = newRoster(e.memory, e.status)
	for i := range o.Parallel {
		e.workers = append(e.workers, newWorker(e, i))
	}
	e.status.workers = e.workers
	e.commits = commits[T]{out: out, workers: e.workers, log: o.Logger, done: make(chan *commit[T], 1)}
	e.witness = &witness{source: follower, log: o.Logger}
	e.upkeep = &upkeeper[T]{
		src: p.src, out: out, witness: e.witness, clock: &e.clock, fill: backfill{patience: o.Backfill}, status: e.status.board, log: o.Logger, workers: e.workers,
		read: &e.status.read, group: &e.group, done: make(chan upkeep, 1),
	}
	return e
}

// signals are what goroutines tell each other.
type signals struct {
	asks    chan string // reasons for a cut
	spoiled chan error  // why a worker cannot write to the open transaction
	hurry   atomic.Bool // throw away what is queued; the next run reads it again
}

// ask wants a cut soon.
func (s *signals) ask(reason string) {
	select {
	case s.asks <- reason:
	default: // one is wanted already
	}
}

// check refuses a pipe that could lose records.
func (p *Pipe[T]) check() error {
	if p.src == nil {
		return errors.New("stream: the pipe has no source")
	}
	compacted := p.src.Info().Compacted
	holder := ""
	for i, s := range p.chain.Stages {
		if s.Err != nil {
			return fmt.Errorf("stream: stage %d, %q: %w", i+1, s.Name, s.Err)
		}
		if s.ClaimsFirst && holder != "" {
			return fmt.Errorf("stream: stage %q decides which record is first, so it must stand before %q, which holds records", s.Name, holder)
		}
		if s.Holds {
			holder = s.Name
		}
		if (s.Holds || s.ClaimsFirst) && len(compacted) > 0 {
			return fmt.Errorf("stream: %v is compacted: a replay may not bring back the records that stage %q needs", compacted, s.Name)
		}
	}
	return nil
}

// fail stops the job with err, unless it has been stopped before.
func (e *engine[T]) fail(err error) { e.stop(err) }

func (e *engine[T]) run(ctx context.Context) error {
	e.hard, e.stop = context.WithCancelCause(context.WithoutCancel(ctx))
	defer e.stop(nil)
	e.info = e.pipe.src.Info()
	job := driver.Job{Source: e.info, Instance: e.opts.Instance, Workers: len(e.workers), Budget: e.memory.budget, Logger: e.opts.Logger}
	e.keys.keys = e.info.Keys
	var err error
	if job.Logs, err = e.keys.countLogs(ctx); err != nil {
		return ended(ctx, fmt.Errorf("stream: %w", err))
	}
	job.LaneLocal, job.KeysInLanes = e.keys.stage, e.opts.KeysInLanes
	if e.opts.Backfill > 0 {
		job.MayEnd = e.upkeep.fill.mayEnd
	}
	if err := e.out.Attach(ctx, job); err != nil {
		return ended(ctx, fmt.Errorf("stream: attach: %w", err))
	}
	if _, err := e.clock.ask(ctx, e.out.Now); err != nil {
		return ended(ctx, fmt.Errorf("stream: the output's clock: %w", err))
	}
	if err := e.witness.begin(ctx, e.pipe.src, &e.info, e.out.Ledger()); err != nil {
		return ended(ctx, err)
	}
	if err := e.keys.begin(ctx, e.out.Ledger().Tell); err != nil {
		return ended(ctx, fmt.Errorf("stream: %w", err))
	}
	e.opts.Logger.Info("start", "source", job.Source.ID, "workers", job.Workers, "memory", e.opts.Memory)
	e.commits.open = e.out.Begin(nil)
	for _, w := range e.workers {
		w.open = e.commits.open
		e.group.Go(func() { w.run(e.hard) })
	}
	soft, stopPolling := context.WithCancel(e.hard)
	defer stopPolling()
	polled := make(chan struct{})
	e.group.Go(func() {
		defer close(polled)
		if err := e.poller.run(soft); err != nil {
			e.fail(err)
		}
	})
	e.group.Go(func() { e.status.run(e.hard) })
	for timer, d := range map[**time.Timer]time.Duration{&e.commits.timer: e.opts.CommitEvery, &e.upkeep.timer: keepEvery, &e.end.timer: keepEvery} {
		*timer = time.NewTimer(retry.Around(d))
		defer (*timer).Stop()
	}
	// The conductor may be waiting for a worker that writes to an output that is away. It once did not see that ctx had ended.
	defer context.AfterFunc(ctx, func() {
		time.AfterFunc(e.opts.Shutdown, func() { e.stop(errShutdown) })
	})()
	err = e.conduct(ctx)
	var broken *sourceError
	switch {
	case e.hard.Err() != nil:
	case errors.As(err, &broken): // commit what it gave before, so that the next run need not read it again
		err = errors.Join(err, e.shutdown(ctx, true, stopPolling, polled))
	case err == nil && ctx.Err() != nil:
		err = e.shutdown(ctx, false, stopPolling, polled)
	}
	return e.close(err)
}

// ended returns nil for an error that is only the end of ctx.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

// conduct is the conductor's loop. It returns nil when ctx ends or the source has ended and all is done.
func (e *engine[T]) conduct(ctx context.Context) error {
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-e.hard.Done():
			return context.Cause(e.hard)
		case r := <-e.poller.rebalances:
			err = e.rebalance(ctx, &r)
		case <-e.commits.timer.C:
			e.commits.want = "time"
		case reason := <-e.signals.asks:
			e.commits.want = reason
		case e.commits.spoilt = <-e.signals.spoiled:
		case c := <-e.commits.done:
			err = e.afterCommit(ctx, c)
		case <-e.upkeep.timer.C:
			e.keep(ctx)
		case u := <-e.upkeep.done:
			err = e.afterKeep(ctx, u)
		case <-e.lanes.over:
			err = e.letGo(ctx)
		case broken := <-e.poller.broken:
			return broken
		case <-e.poller.eof:
			e.beginEnd()
		case <-e.end.emptied:
			e.end.filled--
		case <-e.end.timer.C: // endStep looks again
		}
		if err == nil && e.commits.spoilt != nil && e.commits.running == nil {
			err = e.restart(ctx, e.commits.spoilt, nil)
		}
		if err == nil && e.commits.want != "" && e.commits.running == nil {
			err = e.cut()
		}
		if err == nil && e.end.begun {
			var done bool
			if done, err = e.endStep(ctx); done {
				return nil
			}
		}
		if err != nil && passes(err) {
			err = e.restart(ctx, err, nil)
		}
		if err != nil {
			return ended(ctx, err)
		}
	}
}

// keep starts upkeep, unless it is under way.
func (e *engine[T]) keep(ctx context.Context) { e.upkeep.start(ctx, e.hard) }

// afterKeep takes in what came of upkeep.
func (e *engine[T]) afterKeep(ctx context.Context, u upkeep) error {
	e.keepEnded(ctx, u)
	if stops(u.err) {
		return u.err
	}
	if err := e.letGo(ctx); err != nil {
		return err
	}
	if e.upkeep.again && u.err == nil {
		e.keep(ctx)
	}
	return nil
}

// keepEnded notes the end of upkeep, and tells the lanes the committed clocks.
func (e *engine[T]) keepEnded(ctx context.Context, u upkeep) {
	if !e.upkeep.ended(ctx, &u) {
		return
	}
	for _, l := range e.lanes.all {
		k := record.Clocks{Lane: l.committed, Job: u.Clock}
		if k == l.told {
			continue
		}
		l.told = k
		l.w.inbox.do(func(ctx context.Context) error {
			if l.gone || l.w.stuck != nil {
				return nil //nolint:nilerr // that error has been told
			}
			return l.core.Committed(ctx, k)
		})
	}
}

// waitKeep ends upkeep, if it is under way, and waits for it.
func (e *engine[T]) waitKeep(ctx context.Context) error {
	if !e.upkeep.running {
		return nil
	}
	e.upkeep.hasten()
	select {
	case u := <-e.upkeep.done:
		e.keepEnded(ctx, u)
		return nil
	case <-e.hard.Done():
		return context.Cause(e.hard)
	}
}

// close ends what is left: goroutines, lanes, the open transaction.
func (e *engine[T]) close(err error) error {
	err = advised(err)
	if err != nil {
		e.stop(err)
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(e.hard), e.opts.Shutdown)
	defer cancel()
	e.upkeep.hasten()
	if c := e.commits.running; c != nil { // wait, so that its outcome is known; without that nothing is lost
		if errors.Is(err, errShutdown) {
			c.cancel()
		}
		late := time.AfterFunc(e.opts.Shutdown/2, c.cancel)
		defer late.Stop()
		select {
		case <-e.commits.done:
			e.commits.running = nil
			if c.err == nil {
				e.record(c)
			}
		case <-grace.Done(): // it does not listen
		}
	}
	e.stop(nil)
	left := make(chan struct{})
	go func() { e.group.Wait(); close(left) }()
	select {
	case <-left:
	case <-grace.Done():
		return errors.Join(err, fmt.Errorf("stream: %s after %v; its goroutine is left behind", e.workers.hanging(), e.opts.Shutdown))
	}
	e.commits.drop(grace)
	for _, w := range e.workers {
		for it, ok := w.inbox.next(); ok; it, ok = w.inbox.next() {
			if it.batch != nil {
				w.discard(it)
			}
		}
	}
	var names []string
	for name, l := range e.lanes.all {
		names = append(names, name)
		err = errors.Join(err, wrap("close lane "+name, l.w.remove(l)))
	}
	if len(names) > 0 {
		err = errors.Join(err, wrap("release lanes", e.out.Release(grace, names)))
	}
	if err != nil {
		e.opts.Logger.Error("stop", "error", err)
	} else {
		e.opts.Logger.Info("stop")
	}
	e.status.observe()
	e.status.endProgress()
	return err
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("stream: %s: %w", what, err)
}
