package sink

import (
	"context"
	"fmt"
	"io/fs"
	"iter"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink/manifest"
)

// Hours yields what the sealed hours of a job hold, in order. It begins with the hour that begins at from, or with the
// first sealed hour if that is later. It waits for more until ctx is done; then it ends without an error. An error ends it.
// It also waits for a job that has not begun. Package seal has it as Read and Wait.
func Hours(ctx context.Context, store Store, job string, from time.Time, opts *ReadOptions) iter.Seq2[manifest.Hour, error] {
	return func(yield func(manifest.Hour, error) bool) {
		r, err := newReader(ctx, store, job, opts)
		begun := false
		if err == nil {
			begun, err = r.begun(ctx)
		}
		if begun {
			err = r.hours(ctx, from, yield)
		}
		if err != nil {
			yield(manifest.Hour{}, err)
		}
	}
}

// hours yields the hours of a job that has begun, up to an error or the end.
func (r *reader) hours(ctx context.Context, from time.Time, yield func(manifest.Hour, error) bool) error {
	hour, err := r.firstSealed(ctx)
	if err != nil || hour.IsZero() {
		return err
	}
	if hour.Before(from) {
		hour = r.genesis.HourOf(from)
	}
	for ; ; hour = hour.Add(r.genesis.Hour) {
		var m *manifest.Hour
		found, err := r.await(ctx, func() (err error) {
			m, err = r.folder.Objects.Hour(ctx, hour, r.genesis.Hour)
			return err
		})
		if err != nil || !found || !yield(*m, nil) {
			return err
		}
	}
}

// firstSealed waits for the first hour that was ever sealed; zero is the end. All hours after it are sealed in order.
func (r *reader) firstSealed(ctx context.Context) (first time.Time, err error) {
	o := r.folder.Objects
	_, err = r.await(ctx, func() error {
		for object, err := range o.Store.List(ctx, o.Root+ledger.HourPrefix, "") {
			if err != nil {
				return fmt.Errorf("sink: list hours: %w", err)
			}
			if hour, ok := ledger.ParseHourName(object.Key[len(o.Root):], r.genesis.Hour); ok {
				first = hour
				return nil
			}
		}
		return fs.ErrNotExist
	})
	return first, err
}

// Sealed returns what a sealed hour holds. The error matches fs.ErrNotExist if the hour is not sealed, or before the first
// sealed one.
func Sealed(ctx context.Context, store Store, job string, hour time.Time, opts *ReadOptions) (*manifest.Hour, error) {
	r, err := newReader(ctx, store, job, opts)
	if err != nil {
		return nil, err
	}
	g, _, err := r.folder.Begun(ctx)
	if err != nil {
		return nil, err
	}
	r.poll, hour = -1, g.HourOf(hour)
	var m *manifest.Hour
	found, err := r.await(ctx, func() (err error) {
		m, err = r.folder.Objects.Hour(ctx, hour, g.Hour)
		return err
	})
	if err == nil && !found {
		err = fmt.Errorf("sink: hour %s of job %q is not sealed: %w", hour.Format(time.RFC3339), job, fs.ErrNotExist)
	}
	return m, err
}
