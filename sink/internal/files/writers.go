package files

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/onceflow/onceflow/sink/internal/retry"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// Writers write the rows of one transaction. Each worker uses its number, from one goroutine at a time.
type Writers[T any] struct {
	pool    *Pool[T]
	set     *Set
	workers []*worker[T] // by number; nil until it writes
	bytes   atomic.Int64
}

// Write routes and encodes rows, and sets their fates; rows that cannot be encoded are in bad. Hours that end at or before
// deadline, in seconds since 1970, are closed. After an error the Set cannot be finished.
func (ws *Writers[T]) Write(
	ctx context.Context, number int, deadline int64, rows []record.Event[T], fates []record.Fate,
) (bad []driver.BadRow, err error) {
	w, err := ws.worker(number)
	if err != nil {
		return nil, err
	}
	bad, err = w.write(ctx, deadline, rows, fates)
	return bad, ws.account(ctx, w, err)
}

// Reject adds dead letters to the folder of the hour at which they were read. Its errors are like those of Write.
func (ws *Writers[T]) Reject(ctx context.Context, number int, dead []driver.DeadLetter) error {
	w, err := ws.worker(number)
	if err != nil {
		return err
	}
	return ws.account(ctx, w, w.reject(ctx, dead))
}

func (ws *Writers[T]) worker(number int) (*worker[T], error) {
	if number < 0 || number >= len(ws.workers) {
		return nil, retry.Stop(fmt.Errorf("sink: worker %d of %d", number, len(ws.workers)))
	}
	if ws.workers[number] == nil {
		ws.workers[number] = ws.pool.worker(ws.set)
	}
	return ws.workers[number], nil
}

// account counts what was added, and makes room if too much is in memory.
func (ws *Writers[T]) account(ctx context.Context, w *worker[T], err error) error {
	ws.bytes.Add(w.bytes)
	w.bytes = 0
	over := w.report()
	if err == nil && w.lot.packs.Load() >= ws.pool.shedFloor() {
		err = w.lot.pack(ctx)
		over = w.report()
	}
	if err != nil || !over {
		return err
	}
	if w.lot.bytes.Load() >= ws.pool.shedFloor() {
		err = w.lot.shed(ctx)
	}
	if over := w.report(); err == nil && over && ws.set.gathered.Load() > ws.pool.cfg.Budget.Limit()*3/8 { // smaller files would not help
		err = ws.set.shed(ctx)
	}
	return err
}

// Bytes is how much was added, encoded and not compressed.
func (ws *Writers[T]) Bytes() int64 { return ws.bytes.Load() }

// Dropped counts the rows that were dropped because they were late, by flow. No worker may be writing.
func (ws *Writers[T]) Dropped() map[string]int64 {
	dropped := map[string]int64{}
	for _, w := range ws.workers {
		if w == nil {
			continue
		}
		for i, n := range w.dropped {
			if n > 0 {
				dropped[ws.pool.cfg.Flows[i].Name] += n
			}
		}
	}
	return dropped
}

// Close gives the memory back, also the Set's share of the budget. The Set must have been finished or aborted.
func (ws *Writers[T]) Close() {
	for _, w := range ws.workers {
		if w != nil {
			ws.pool.putBack(w)
		}
	}
	ws.workers = nil
	ws.set.forget()
}
