package keyvalue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/onceflow/onceflow/sink/delivery"
)

// Flow says what becomes of the rows of a flow.
type Flow[T any] struct {
	Name string
	Read delivery.Reader[T]

	// Put sets Key and Value of p, and Version.Row if rows carry a version of their own, such as the time of the change. It
	// must not keep row. Its error refuses the row, and with it the unit.
	Put func(row *T, p *Put) error
}

// Options are optional settings; nil means all defaults.
type Options struct {
	// Batch is how many puts the Store gets at once.
	//
	// Defaults to 1,000.
	Batch int

	// MaxValue is the longest value, in bytes. A longer one is refused.
	//
	// Defaults to 1 MiB.
	MaxValue int
}

// gathered bounds the bytes of puts that wait until the whole unit is known to be good. Of a larger unit all rows are looked at first,
// and read a second time.
const gathered = 16 << 20

// New makes a Target that puts the rows of a flow into a store. It takes decoded rows, so delivery.Options.Decoded may be set.
func New[T any](store Store, flow Flow[T], opts *Options) (delivery.Target, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	var errs []error
	if store == nil {
		errs = append(errs, errors.New("a Store is required, and it is nil"))
	}
	if flow.Name == "" || flow.Read == nil || flow.Put == nil {
		errs = append(errs, errors.New("a Flow needs Name, Read and Put"))
	}
	if o.Batch < 0 || o.MaxValue < 0 {
		errs = append(errs, fmt.Errorf("Batch %d and MaxValue %d must not be negative", o.Batch, o.MaxValue))
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("keyvalue: %w", errors.Join(errs...))
	}
	return &target[T]{store: store, flow: flow, batch: cmp.Or(o.Batch, 1000), maxValue: cmp.Or(o.MaxValue, 1<<20)}, nil
}

type target[T any] struct {
	store           Store
	flow            Flow[T]
	batch, maxValue int
}

func (t *target[T]) Load(ctx context.Context, u *delivery.Unit) (delivery.Result, error) {
	var puts []Put
	size, all := 0, true
	n, err := t.each(ctx, u, func(p *Put) error {
		if !all {
			return nil
		}
		puts = append(puts, *p)
		if size += len(p.Key) + len(p.Value) + 64; size > gathered {
			puts, all = nil, false
		}
		return nil
	})
	if err != nil {
		return delivery.Result{}, err
	}
	if !all { // each row is good, as far as we can tell
		_, err = t.each(ctx, u, func(p *Put) error {
			if puts = append(puts, *p); len(puts) < t.batch {
				return nil
			}
			err := t.put(ctx, puts)
			clear(puts)
			puts = puts[:0]
			return err
		})
		if err != nil {
			return delivery.Result{}, err
		}
	}
	if err := t.put(ctx, puts); err != nil {
		return delivery.Result{}, err
	}
	return delivery.Result{Rows: n}, nil
}

// each calls f with the put of each row of a unit, and returns how many there are.
func (t *target[T]) each(ctx context.Context, u *delivery.Unit, f func(*Put) error) (n int64, err error) {
	for row, err := range delivery.Rows(ctx, u, t.flow.Name, t.flow.Read) {
		if err != nil {
			return 0, err
		}
		n++
		p := Put{}
		if err := t.flow.Put(&row.Value, &p); err != nil {
			return 0, delivery.Refuse(fmt.Errorf("row %d of %s: %w", row.N, row.Key, err))
		}
		switch {
		case p.Key == "" || len(p.Key) > MaxKey:
			return 0, delivery.Refuse(fmt.Errorf("row %d of %s: its key has %d bytes, and 1 to %d are allowed", row.N, row.Key, len(p.Key), MaxKey))
		case len(p.Value) > t.maxValue:
			return 0, delivery.Refuse(fmt.Errorf("row %d of %s: its value has %d bytes, and %d are allowed", row.N, row.Key, len(p.Value), t.maxValue))
		}
		p.Version.Unit, p.Version.N = order(u), uint64(n)
		if err := f(&p); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// order is greater for later units. One Close may end several hours, so they differ by their times alone.
func order(u *delivery.Unit) uint64 {
	if u.Cursor.Hour.IsZero() {
		return u.Cursor.Entry
	}
	return uint64(u.Cursor.Hour.Unix() - time.Time{}.Unix()) //nolint:gosec // no time is before the zero time
}

func (t *target[T]) put(ctx context.Context, puts []Put) error {
	for len(puts) > 0 {
		some := puts[:min(len(puts), t.batch)]
		puts = puts[len(some):]
		if err := t.store.PutNewer(ctx, some); err != nil {
			return err
		}
	}
	return nil
}
