package delivery

import (
	"context"
	"errors"
	"sync"

	"github.com/onceflow/onceflow/internal/env"
)

// flight is the units that are being loaded, in their order. It belongs to the goroutine of a round; each load has one of its own.
type flight struct {
	d     *Delivery
	at    Cursor  // of the last unit that was taken in: the next one builds on it
	loads []*load // the oldest first
	wg    sync.WaitGroup
}

// load is a unit and what has become of it, once done is closed.
type load struct {
	unit *Unit
	done chan struct{}
	res  Result
	err  error
}

// run takes units in and settles them in their order, so that the cursor never passes one that is not loaded. It returns nil after
// the end of all units.
func (f *flight) run(ctx context.Context, units <-chan *Unit, ended <-chan error) error {
	for {
		in, end := units, ended
		if len(f.loads) == f.d.opts.Parallel {
			in = nil
		}
		var oldest <-chan struct{}
		if len(f.loads) > 0 {
			oldest, end = f.loads[0].done, nil
		}
		select {
		case u := <-in:
			f.begin(ctx, u)
		case <-oldest:
			if err := f.settle(ctx); err != nil {
				return err
			}
		case err := <-end:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (f *flight) begin(ctx context.Context, u *Unit) {
	u.After, f.at = f.at, u.Cursor
	l := &load{unit: u, done: make(chan struct{})}
	f.loads = append(f.loads, l)
	if u.empty() && !f.d.keeper { // only the cursor moves
		close(l.done)
		return
	}
	f.wg.Go(func() {
		defer close(l.done)
		l.err = f.d.insist(ctx, u.ID, func(ctx context.Context) (err error) {
			l.res, err = f.d.book.load(ctx, u)
			return err
		})
	})
}

// settle takes the oldest loads that are done out of flight, and moves the cursor once for all of them.
func (f *flight) settle(ctx context.Context) error {
	var last Cursor
	for len(f.loads) > 0 && env.IsClosed(f.loads[0].done) {
		l := f.loads[0]
		if errors.Is(l.err, ErrRefused) {
			break
		}
		if l.err != nil {
			return l.err
		}
		f.loads[0], f.loads = nil, f.loads[1:]
		f.d.board.loaded(l.unit, l.res)
		last = l.unit.Cursor
	}
	if !last.IsZero() {
		err := f.d.insist(ctx, "cursor", func(ctx context.Context) error { return f.d.book.advance(ctx, last) })
		if err != nil {
			return err
		}
		f.d.board.moved(last)
	}
	if len(f.loads) == 0 || !env.IsClosed(f.loads[0].done) || f.loads[0].err == nil {
		return nil
	}
	l := f.loads[0]
	f.loads[0], f.loads = nil, f.loads[1:]
	return f.park(ctx, l.unit, l.err)
}

// park puts a unit aside that was refused.
func (f *flight) park(ctx context.Context, u *Unit, why error) error {
	err := f.d.insist(ctx, "park", func(ctx context.Context) error { return f.d.book.park(ctx, u, why.Error()) })
	if err != nil {
		return err
	}
	f.d.log.Error("unit parked: the target refuses it", "unit", u.ID, "rows", u.Rows(), "error", why)
	f.d.board.settled(u)
	s, err := f.d.book.state(ctx)
	if err == nil {
		f.d.board.know(s)
	}
	return err
}
