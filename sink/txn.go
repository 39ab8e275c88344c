package sink

import (
	"context"
	"fmt"

	"github.com/onceflow/onceflow/sink/internal/retry"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// txn is a driver.Txn.
type txn[T any] struct {
	*work
	sink    *Sink[T]
	routers []*router[T] // by worker; each is touched by its worker only until Commit
}

func (t *txn[T]) worker(w driver.Writer) (*router[T], error) {
	if w.Worker < 0 || w.Worker >= len(t.routers) {
		return nil, retry.Stop(fmt.Errorf("sink: worker %d of %d", w.Worker, len(t.routers)))
	}
	if t.begun {
		return nil, retry.Stop(fmt.Errorf("sink: a write to a transaction after Commit or Drop"))
	}
	r := t.routers[w.Worker]
	if r == nil {
		r = t.sink.router(t.set)
		t.routers[w.Worker] = r
	}
	return r, nil
}

// Write routes and encodes rows.
func (t *txn[T]) Write(ctx context.Context, w driver.Writer, rows []record.Event[T], fates []record.Fate) ([]driver.BadRow, error) {
	clear(fates) // to Written
	if t.isVoid() {
		return nil, nil
	}
	r, err := t.worker(w)
	if err != nil {
		return nil, err
	}
	base, err := t.lane(ctx, w.Lane)
	if err != nil {
		return nil, err
	}
	bad, err := r.write(ctx, base.deadline, rows, fates)
	return bad, t.account(ctx, r, err)
}

// Reject adds dead letters.
func (t *txn[T]) Reject(ctx context.Context, w driver.Writer, dead []driver.DeadLetter) error {
	if t.isVoid() {
		return nil
	}
	r, err := t.worker(w)
	if err != nil {
		return err
	}
	if _, err := t.lane(ctx, w.Lane); err != nil {
		return err
	}
	return t.account(ctx, r, r.reject(ctx, dead))
}

// account counts what was added, and makes room if there is too much in memory.
func (t *txn[T]) account(ctx context.Context, r *router[T], err error) error {
	t.bytes.Add(r.bytes)
	r.bytes = 0
	over := r.report(t.sink.budget)
	if err != nil || !over {
		return t.failed(ctx, err)
	}
	if r.lot.held.Load() >= t.sink.shedFloor() {
		err = r.lot.shed(ctx)
	}
	if over = r.report(t.sink.budget); err == nil && over && t.set.gathered.Load() > t.sink.budget.Limit()*3/8 { // smaller files would not help
		err = t.set.shed(ctx)
	}
	return t.failed(ctx, err)
}

// failed is nil for an error that only says that the work is void: Commit says it.
func (t *txn[T]) failed(ctx context.Context, err error) error {
	if err = t.explain(ctx, err); t.isVoid() {
		return nil
	}
	return err
}

func (w *work) isVoid() bool { return w.void.Load() != nil }

// report brings the budget up to date with what the router's buffers hold.
func (r *router[T]) report(b *driver.Budget) (over bool) {
	held := r.lot.held.Load() + int64(len(r.lot.buffers))*bufferBytes
	over = b.Add(held - r.reported)
	r.reported = held
	return over
}

// reset empties the router for another transaction.
func (r *router[T]) reset(b *driver.Budget) {
	r.report(b)
	clear(r.hours)
	clear(r.dead)
	clear(r.dropped)
	r.last, r.other, r.set, r.lot = nil, nil, nil, &lot{keep: r.lot.keep}
	b.Add(-r.reported)
	r.reported = 0
}

// Bytes is how much was added, encoded and not compressed.
func (t *txn[T]) Bytes() int64 { return t.bytes.Load() }

// Commit makes everything durable.
func (t *txn[T]) Commit(ctx context.Context, cut driver.Cut) error {
	defer t.over()
	t.lateDropped = map[string]int64{}
	for _, r := range t.routers {
		if r == nil {
			continue
		}
		for i, n := range r.dropped {
			if n > 0 {
				t.lateDropped[t.sink.flows[i].Name] += n
			}
		}
	}
	return t.commit(ctx, cut)
}

// LateRows are the rows that were too late for their hour, by flow: see driver.LateCounter.
func (t *txn[T]) LateRows() map[string]int64 { return t.lateRows }

// Drop deletes everything.
func (t *txn[T]) Drop(ctx context.Context) error {
	defer t.over()
	return t.drop(ctx)
}

func (t *txn[T]) over() {
	t.sink.putBack(t.routers)
	t.routers = nil
	t.set.forget() // the next transaction keeps us until it is settled itself
}
