package sink

import (
	"context"
	"fmt"
	"io/fs"
	"iter"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
)

// Hours yields what the sealed hours of a job hold, in order, from the hour that begins at from, or the first that was
// sealed if that is later, and waits for more until ctx is done; then it ends without an error. Package seal has it as
// Read and Wait. An error ends it. A job that has not begun is waited for.
func Hours(ctx context.Context, store Store, job string, from time.Time, opts *ReadOptions) iter.Seq2[HourManifest, error] {
	return func(yield func(HourManifest, error) bool) {
		k, err := openReader(ctx, store, job, opts)
		begun := false
		if err == nil {
			begun, err = k.awaitBegun(ctx, opts)
		}
		if err != nil {
			yield(HourManifest{}, err)
			return
		}
		if !begun {
			return
		}
		hour, err := k.firstSealed(ctx, opts)
		if err != nil {
			yield(HourManifest{}, err)
			return
		}
		if hour.IsZero() {
			return
		}
		if hour.Before(from) {
			hour = k.hourOf(from)
		}
		for ; ; hour = hour.Add(k.opts.Hour) {
			m, err := k.readHour(ctx, hour, opts)
			if err != nil {
				yield(HourManifest{}, err)
				return
			}
			if m == nil || !yield(*m, nil) {
				return
			}
		}
	}
}

// firstSealed waits for the first hour that was ever sealed; zero is the end. All that follow it are sealed in order.
func (k *keeper) firstSealed(ctx context.Context, opts *ReadOptions) (first time.Time, err error) {
	_, err = k.await(ctx, opts, func() (bool, error) {
		for o, err := range k.store.List(ctx, k.root+ledger.HourPrefix, "") {
			if err != nil {
				return false, fmt.Errorf("sink: list hours: %w", err)
			}
			if hour, ok := ledger.ParseHourName(o.Key[len(k.root):], k.opts.Hour); ok {
				first = hour
				return true, nil
			}
		}
		return false, nil
	})
	return first, err
}

// readHour waits for an hour's manifest; nil is the end.
func (k *keeper) readHour(ctx context.Context, hour time.Time, opts *ReadOptions) (*HourManifest, error) {
	key := k.root + ledger.HourName(hour, k.opts.Hour)
	var body []byte
	found, err := k.await(ctx, opts, func() (ok bool, err error) {
		body, err = k.store.Read(ctx, key, MaxManifest)
		return foundIt(err)
	})
	if err != nil || !found {
		return nil, err
	}
	m := new(HourManifest)
	if err := decodeJSON(key, body, &m.Format, m); err != nil {
		return nil, err
	}
	if !m.Hour.Equal(hour) {
		return nil, &ledger.CorruptError{Object: key, Reason: fmt.Sprintf("it is of the hour %s", m.Hour)}
	}
	return m, nil
}

// Sealed returns what a sealed hour holds. The error matches fs.ErrNotExist if the hour is not sealed, or before the first
// one that was.
func Sealed(ctx context.Context, store Store, job string, hour time.Time, opts *ReadOptions) (*HourManifest, error) {
	k, err := openReader(ctx, store, job, opts)
	if err != nil {
		return nil, err
	}
	if _, _, err := k.begun(ctx); err != nil {
		return nil, err
	}
	m, err := k.readHour(ctx, k.hourOf(hour), &ReadOptions{Poll: -1})
	if err == nil && m == nil {
		err = fmt.Errorf("sink: hour %s of job %q is not sealed: %w", k.hourOf(hour).Format(time.RFC3339), job, fs.ErrNotExist)
	}
	return m, err
}
