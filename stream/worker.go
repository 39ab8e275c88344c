package stream

import (
	"context"
	"slices"
	"sync"
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

	mu    sync.Mutex
	todo  []func(context.Context) error // before the next batch
	cur   item[T]                       // a batch that was begun; before the queue
	queue []item[T]                     // from head on
	head  int
	asked atomic.Bool   // todo is not empty
	poke  chan struct{} // something was added

	scratch *core.Scratch
	ticked  bool  // a tick is due
	stuck   error // why the open transaction is spoilt; while it is set lanes may be removed and not touched otherwise

	lanes []*lane[T]
	loads int // lanes, as the conductor counts them
	woken atomic.Bool
	busy  atomic.Int64 // when the step in progress began, in nanoseconds of monotonic time since the engine was made; 0 is idle
	now   atomic.Pointer[lane[T]]
}

// item is a batch, or a func to run after the batches before it.
type item[T any] struct {
	lane  *lane[T]
	batch *driver.Batch
	bytes int64 // of the batch, which returns to the source once it is processed
	do    func(context.Context) error
}

func newWorker[T any](e *engine[T], index int) *worker[T] {
	return &worker[T]{e: e, index: index, poke: make(chan struct{}, 1), scratch: core.NewScratch(len(e.pipe.chain.Stages))}
}

// do runs f soon: the worker interrupts a batch for it, after at most stepRecords records.
func (w *worker[T]) do(f func(context.Context) error) {
	w.mu.Lock()
	w.todo = append(w.todo, f)
	w.asked.Store(true)
	w.mu.Unlock()
	w.signal()
}

// push queues a batch, or a func behind all batches. It never blocks, since a full queue pauses the source.
func (w *worker[T]) push(it item[T]) {
	w.mu.Lock()
	if w.head > 0 && w.head == len(w.queue) {
		w.queue, w.head = w.queue[:0], 0
	}
	w.queue = append(w.queue, it)
	w.mu.Unlock()
	w.signal()
}

func (w *worker[T]) signal() {
	select {
	case w.poke <- struct{}{}:
	default:
	}
}

// next takes the next thing to do.
func (w *worker[T]) next() (it item[T], ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.todo) > 0 {
		it.do = w.todo[0]
		w.todo = w.todo[1:]
		w.asked.Store(len(w.todo) > 0)
		return it, true
	}
	if w.cur.batch != nil {
		it, w.cur = w.cur, item[T]{}
		return it, true
	}
	if w.head == len(w.queue) {
		return it, false
	}
	it = w.queue[w.head]
	w.queue[w.head] = item[T]{}
	w.head++
	if w.head > 64 && w.head*2 > len(w.queue) { // a queue that is never empty must not grow
		w.queue = w.queue[:copy(w.queue, w.queue[w.head:])]
		w.head = 0
	}
	return it, true
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
	it, ok := w.next()
	switch {
	case !ok:
		select {
		case <-ctx.Done():
		case <-w.poke:
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
	w.mu.Lock()
	var f func(context.Context) error
	if len(w.todo) > 0 {
		f = w.todo[0]
		w.todo = w.todo[1:]
		w.asked.Store(len(w.todo) > 0)
	}
	w.mu.Unlock()
	if f != nil {
		return f(ctx)
	}
	select {
	case <-ctx.Done():
	case <-w.poke:
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
		w.drained(l, it.bytes)
	case err == nil:
		w.cur = it
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
	if w.asked.Load() || w.e.signals.hurry.Load() || w.ticked || ctx.Err() != nil {
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
	l.publish()
}

// discard throws away a batch or the rest of one. The next owner of the lane reads it again.
func (w *worker[T]) discard(it item[T]) {
	it.lane.core.Leave(it.batch)
	it.batch.Release()
	w.drained(it.lane, it.bytes)
}

// drained subtracts a processed batch of n bytes, and resumes the lane if it was paused.
func (w *worker[T]) drained(l *lane[T], n int64) {
	e, m := w.e, w.e.memory
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
