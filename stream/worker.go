package stream

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	core "github.com/onceflow/onceflow/stream/internal/lane"
)

// worker processes the batches of some lanes, one batch at a time. A lane's core is touched on its worker's goroutine only,
// or while that worker stands at a barrier.
type worker[T any] struct {
	e     *engine[T]
	index int
	open  driver.Txn[T] // the open transaction; exchanged at a barrier

	inbox   *inbox[T]
	scratch *core.Scratch
	ticked  bool  // a tick is due
	stuck   error // why the open transaction is spoilt; while it is set lanes may be removed and not touched otherwise

	lanes []*lane[T]
	loads int // lanes, as the conductor counts them
	woken atomic.Bool
	busy  atomic.Int64 // when the step in progress began, in nanoseconds of monotonic time since the engine was made; 0 is idle
	now   atomic.Pointer[lane[T]]
}

func newWorker[T any](e *engine[T], index int) *worker[T] {
	return &worker[T]{e: e, index: index, inbox: newInbox[T](), scratch: core.NewScratch(len(e.pipe.chain.Stages))}
}

// run works until ctx is done. An error stops the job.
func (w *worker[T]) run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		switch err := w.turn(ctx, tick.C); {
		case err == nil:
		case passes(err):
			w.spoil(err)
		default:
			w.e.fail(err)
			return
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// spoil stops the worker in the middle of a slice. Its lanes stay as they are until the conductor takes them away.
func (w *worker[T]) spoil(err error) {
	w.stuck = err
	w.busy.Store(0)
	select {
	case w.e.signals.spoiled <- err:
	default: // the conductor knows
	}
}

// mend clears the worker's buffers after its lanes were taken away. The records in them will be read again.
func (w *worker[T]) mend() {
	if w.stuck != nil {
		w.stuck, w.scratch = nil, core.NewScratch(len(w.e.pipe.chain.Stages))
	}
}

// turn does one thing, or waits for one.
func (w *worker[T]) turn(ctx context.Context, tick <-chan time.Time) error {
	if w.stuck != nil {
		return w.turnStuck(ctx)
	}
	if w.woken.Swap(false) {
		if err := w.pull(ctx); err != nil {
			return err
		}
	}
	select {
	case <-tick:
		w.ticked = true
	default:
	}
	if w.ticked {
		if err := w.tick(ctx); err != nil {
			return err
		}
	}
	it, ok := w.inbox.next()
	switch {
	case !ok:
		select {
		case <-ctx.Done():
		case <-w.inbox.poke:
		case <-tick:
			return w.tick(ctx)
		}
		return nil
	case it.do != nil:
		return it.do(ctx)
	case it.lane.gone, w.e.signals.hurry.Load():
		w.discard(it)
		return nil
	default:
		return w.process(ctx, it, tick)
	}
}

// turnStuck does what others want of the worker, or waits for that.
func (w *worker[T]) turnStuck(ctx context.Context) error {
	if f := w.inbox.urgent(); f != nil {
		return f(ctx)
	}
	select {
	case <-ctx.Done():
	case <-w.inbox.poke:
	}
	return nil
}

// process runs a batch through its lane. Something more urgent may interrupt it; then the rest waits.
func (w *worker[T]) process(ctx context.Context, it item[T], tick <-chan time.Time) error {
	l, b := it.lane, it.batch
	ends, split := int64(len(b.Ended)), slices.ContainsFunc(b.Ended, func(e driver.Ended) bool { return len(e.Children) > 0 })
	w.begin(l)
	done, err := l.core.Slice(ctx, b)
	for err == nil && !done && !w.pressed(ctx, tick) {
		done, err = l.core.Slice(ctx, b)
	}
	w.end(l)
	switch {
	case done:
		w.drained(it)
	case err == nil:
		w.inbox.putBack(it)
	}
	if err != nil {
		return err
	}
	if done && split {
		w.e.signals.ask("split") // the children may begin once that is committed
	}
	if done && ends > 0 && w.e.info.LanesEnd && w.e.lanes.ends.Add(ends) >= mostEnds {
		w.e.lanes.ends.Store(0)
		w.e.signals.ask("ends")
	}
	if most := w.e.opts.CommitBytes; most > 0 && w.open.Bytes() >= most {
		w.e.signals.ask("bytes")
	}
	return nil
}

// pressed reports whether something must be done before the batch goes on. It is called every few records.
func (w *worker[T]) pressed(ctx context.Context, tick <-chan time.Time) bool {
	if w.inbox.asked.Load() || w.e.signals.hurry.Load() || w.ticked || ctx.Err() != nil {
		return true
	}
	select {
	case <-tick:
		w.ticked = true
	default:
	}
	return w.ticked
}

func (w *worker[T]) begin(l *lane[T]) {
	now, latest := w.e.clock.now()
	var oldest time.Time
	if past := w.e.opts.Past; past >= 0 {
		oldest = now.Add(-past)
	}
	l.core.At(now, oldest, latest.Add(w.e.opts.Future))
	w.now.Store(l)
	w.busy.Store(int64(time.Since(w.e.born)))
}

// end takes down what the lane's step changed.
func (w *worker[T]) end(l *lane[T]) {
	w.busy.Store(0)
	pending := l.core.PendingBytes()
	w.e.memory.charge(pending - l.charged)
	l.charged = pending
	if full := l.core.Full(); full != l.full.Load() {
		l.full.Store(full)
		w.e.poller.do(func(context.Context) error { w.e.poller.filled(l); return nil })
	}
	l.publish()
}

// discard throws away a batch or the rest of one. The next owner of the lane reads it again.
func (w *worker[T]) discard(it item[T]) {
	it.lane.core.Leave(it.batch)
	it.batch.Release()
	w.drained(it)
}

// drained subtracts a batch that was processed or thrown away, and resumes its lane if that was paused.
func (w *worker[T]) drained(it item[T]) {
	e, m, l, n := w.e, w.e.memory, it.lane, it.bytes
	e.status.backlog.batches.Add(1)
	e.status.backlog.waiting.Add(-it.fresh)
	m.charge(-n)
	m.queued.Add(-n)
	q := l.queued.Add(-n)
	switch {
	case !l.paused.Load():
	case m.choked.Load():
		if m.roomy() {
			e.poller.do(func(context.Context) error { e.poller.unchoke(-1); return nil })
		} else if m.queued.Load() == 0 {
			e.signals.ask("memory") // the workers have nothing left to free
		}
	case q <= m.share.Load()/2 && !l.asked.Swap(true):
		e.poller.do(func(context.Context) error { e.poller.resume(l); return nil })
	}
}

// each runs a step of every lane.
func (w *worker[T]) each(ctx context.Context, step func(context.Context, *core.Lane) error) error {
	for _, l := range w.lanes {
		w.begin(l)
		err := step(ctx, l.core)
		w.end(l)
		if err != nil {
			return err
		}
	}
	return nil
}

// pull calls the lanes that were woken.
func (w *worker[T]) pull(ctx context.Context) error {
	for _, l := range w.lanes {
		if !l.woken.Swap(false) {
			continue
		}
		w.begin(l)
		err := l.core.Pull(ctx)
		w.end(l)
		if err != nil {
			return err
		}
	}
	return nil
}

// tick calls all lanes: the time has gone on.
func (w *worker[T]) tick(ctx context.Context) error {
	w.ticked = false
	return w.pullAll(ctx)
}

// pullAll makes every stage take in the results of its goroutines, so that the commit includes them.
func (w *worker[T]) pullAll(ctx context.Context) error {
	return w.each(ctx, func(ctx context.Context, c *core.Lane) error { return c.Pull(ctx) })
}

// collect returns the progress of the lanes that changed, and removes the revoked lanes.
func (w *worker[T]) collect(revoked []*lane[T]) (cuts []core.Cut, err error) {
	for _, l := range w.lanes {
		cut, ok, err := l.core.Cut()
		if err != nil {
			return nil, err
		}
		if ok {
			cuts = append(cuts, cut)
		}
	}
	return cuts, w.remove(slices.DeleteFunc(slices.Clone(revoked), func(l *lane[T]) bool { return l.w != w })...)
}

// remove takes lanes from the worker, on its goroutine. Their queued batches are thrown away when their turn comes.
func (w *worker[T]) remove(lanes ...*lane[T]) error {
	var errs []error
	for _, l := range lanes {
		if l.gone {
			continue
		}
		l.gone = true
		w.e.memory.charge(-l.charged)
		l.charged = 0
		errs = append(errs, l.core.Close())
	}
	w.lanes = slices.DeleteFunc(w.lanes, func(l *lane[T]) bool { return l.gone })
	return errors.Join(errs...)
}
