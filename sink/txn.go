package sink

import (
	"context"
	"errors"

	"github.com/onceflow/onceflow/sink/internal/files"
	"github.com/onceflow/onceflow/sink/internal/retry"
	transactions "github.com/onceflow/onceflow/sink/internal/txn"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// txn is a driver.Txn.
type txn[T any] struct {
	work    *transactions.Txn
	writers *files.Writers[T]
}

var errBegun = retry.Stop(errors.New("sink: a write to a transaction after Commit or Drop"))

// Write routes and encodes rows.
func (t *txn[T]) Write(ctx context.Context, w driver.Writer, rows []record.Event[T], fates []record.Fate) (bad []driver.BadRow, err error) {
	clear(fates) // to Written
	err = t.in(ctx, w, func(deadline int64) (err error) {
		bad, err = t.writers.Write(ctx, w.Worker, deadline, rows, fates)
		return err
	})
	return bad, err
}

// Reject adds dead letters.
func (t *txn[T]) Reject(ctx context.Context, w driver.Writer, dead []driver.DeadLetter) error {
	return t.in(ctx, w, func(int64) error { return t.writers.Reject(ctx, w.Worker, dead) })
}

// in calls write with the deadline of the writer's lane. Once the work is void it writes nothing and hides the error of
// write, since Commit reports it.
func (t *txn[T]) in(ctx context.Context, w driver.Writer, write func(int64) error) error {
	if t.work.Void() {
		return nil
	}
	if t.work.Begun() {
		return errBegun
	}
	deadline, err := t.work.Deadline(ctx, w.Lane)
	if err != nil {
		return err
	}
	if err = t.work.Explain(ctx, write(deadline)); t.work.Void() {
		return nil
	}
	return err
}

// Bytes is how much was added, encoded and not compressed.
func (t *txn[T]) Bytes() int64 { return t.writers.Bytes() }

// Commit makes everything durable.
func (t *txn[T]) Commit(ctx context.Context, cut driver.Cut) (driver.Committed, error) {
	defer t.writers.Close() // the next transaction keeps us until it is settled itself
	if !t.work.Void() && !t.work.Begun() {
		if err := t.note(cut.Lanes); err != nil {
			return driver.Committed{}, errors.Join(retry.Stop(err), t.work.Drop(ctx))
		}
	}
	return t.work.Commit(ctx, cut, t.writers.Dropped())
}

// note adds what stages wrote down. It makes no call of the store: Commit writes it, and fails if it cannot.
func (t *txn[T]) note(lanes []driver.LaneCut) error {
	for i := range lanes {
		for j := range lanes[i].Notes {
			if err := checkName("notes", lanes[i].Notes[j].Name); err != nil {
				return err
			}
		}
		if err := t.writers.Note(lanes[i].Notes); err != nil {
			return err
		}
	}
	return nil
}

// Drop deletes everything.
func (t *txn[T]) Drop(ctx context.Context) error {
	defer t.writers.Close()
	return t.work.Drop(ctx)
}
