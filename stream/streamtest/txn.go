package streamtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// txnState is what a transaction has collected.
type txnState[T any] struct {
	rows, late []Row[T]
	dead       []driver.DeadLetter
}

type txn[T any] struct {
	o     *Output[T]
	after *txn[T]

	mu         sync.Mutex
	state      txnState[T]
	lanes      map[string]laneBase // touched, as they were when the transaction first touched them
	bytes      int64
	over       bool // Commit or Drop was called
	void       bool
	settled    bool
	watermarks map[string]time.Time // of the lanes in its cut, once carried is closed
	carried    chan struct{}
}

var errOver = errors.New("streamtest: the transaction was committed or dropped before")

// touch returns what the lane builds on: the ledger, or what the predecessor carries, which is known once that one's
// Commit was called. The caller holds mu.
func (t *txn[T]) touch(ctx context.Context, lane string) (laneBase, error) {
	if b, ok := t.lanes[lane]; ok {
		return b, nil
	}
	t.o.mu.Lock()
	base := t.o.base[lane]
	if base == nil {
		t.o.mu.Unlock()
		return laneBase{}, fmt.Errorf("streamtest: lane %s was not acquired", lane)
	}
	b := *base
	t.o.mu.Unlock()
	for p := t.after; p != nil; {
		select {
		case <-p.carried:
		case <-ctx.Done():
			return laneBase{}, ctx.Err()
		}
		p.mu.Lock()
		watermark, ok := p.watermarks[lane]
		next := p.after
		p.mu.Unlock()
		if ok {
			b.watermark = watermark
			break
		}
		p = next
	}
	t.lanes[lane] = b
	return b, nil
}

// Write adds rows.
func (t *txn[T]) Write(ctx context.Context, w driver.Writer, rows []record.Event[T], fates []record.Fate) (bad []driver.BadRow, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return nil, errOver
	}
	b, err := t.touch(ctx, w.Lane)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		row := Row[T]{rows[i].Value, rows[i].Time, w.Lane}
		if r, ok := any(&row.Value).(*record.Record); ok {
			*r = r.Clone()
		}
		end := row.Time.Truncate(t.o.l.Hour).Add(t.o.l.Hour)
		if t.o.Bad != nil {
			if err := t.o.Bad(row.Value); err != nil {
				fates[i] = record.Dead
				bad = append(bad, driver.BadRow{Index: i, Err: err})
				continue
			}
		}
		t.bytes += 100
		if t.o.l.Lateness >= 0 && !end.After(b.watermark) {
			fates[i] = record.Late
			t.state.late = append(t.state.late, row)
			continue
		}
		fates[i] = record.Written
		t.state.rows = append(t.state.rows, row)
	}
	return bad, nil
}

// Reject adds dead letters.
func (t *txn[T]) Reject(ctx context.Context, w driver.Writer, dead []driver.DeadLetter) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return errOver
	}
	if _, err := t.touch(ctx, w.Lane); err != nil {
		return err
	}
	for _, d := range dead {
		d.Record = d.Record.Clone()
		t.state.dead = append(t.state.dead, d)
	}
	return nil
}

// Bytes is a hundred for each row.
func (t *txn[T]) Bytes() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.bytes
}

// Commit commits, if no lane was touched by somebody else.
func (t *txn[T]) Commit(ctx context.Context, cut driver.Cut) (driver.Committed, error) {
	return driver.Committed{}, t.commit(ctx, cut)
}

func (t *txn[T]) commit(ctx context.Context, cut driver.Cut) error {
	if err := t.begin(); err != nil {
		return err
	}
	if err := cmp.Or(ctx.Err(), t.carry(ctx, cut)); err != nil {
		return t.end(err)
	}
	if err := t.o.call(t.o.Hook, "commit"); err != nil {
		return t.end(err)
	}
	if err := t.o.l.commit(t, cut); err != nil {
		return t.end(err)
	}
	if err := t.o.call(t.o.Done, "commit"); err != nil {
		return t.end(err)
	}
	return t.end(nil)
}

func (t *txn[T]) begin() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		t.o.l.t.Errorf("Commit or Drop of a transaction for the second time")
		return errOver
	}
	t.over = true
	t.o.mu.Lock()
	defer t.o.mu.Unlock()
	t.o.state.ended++
	return nil
}

func (t *txn[T]) end(err error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.settled, t.void, t.after = true, err != nil, nil
	return err
}

// carry works out the watermarks that the next transaction decides lateness by.
func (t *txn[T]) carry(ctx context.Context, cut driver.Cut) error {
	defer close(t.carried)
	t.mu.Lock()
	defer t.mu.Unlock()
	watermarks := map[string]time.Time{}
	t.o.l.mu.Lock()
	for _, lc := range cut.Lanes {
		watermarks[lc.Lane] = t.o.l.watermark(t.o.l.next(lc))
	}
	t.o.l.mu.Unlock()
	t.watermarks = watermarks
	for _, lc := range cut.Lanes {
		if _, err := t.touch(ctx, lc.Lane); err != nil {
			return err
		}
	}
	return nil
}

// Drop gives the transaction up.
func (t *txn[T]) Drop(context.Context) error {
	if err := t.begin(); err != nil {
		return err
	}
	close(t.carried)
	t.end(errOver) //nolint:errcheck // returns its argument
	return nil
}

// commit validates and applies.
func (l *Ledger[T]) commit(t *txn[T], cut driver.Cut) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.o.mu.Lock()
	defer t.o.mu.Unlock()
	for p := t.after; p != nil; p = p.after {
		if p.void {
			return fmt.Errorf("%w: its predecessor is void", driver.ErrFenced)
		}
		if !p.settled {
			l.t.Errorf("Commit before the predecessor's has returned")
		}
	}
	for name, was := range t.lanes {
		base := t.o.base[name]
		if base == nil || base.acquisition != was.acquisition {
			return fmt.Errorf("%w: lane %s was acquired again", driver.ErrFenced, name)
		}
		if base.version != l.lane(name).version {
			return fmt.Errorf("%w: lane %s is at version %d", driver.ErrFenced, name, l.lane(name).version)
		}
	}
	l.apply(cut, &t.state)
	for _, lc := range cut.Lanes {
		s, base := l.lane(lc.Lane), t.o.base[lc.Lane]
		base.version, base.watermark = s.version, l.watermark(s.progress)
	}
	return nil
}
