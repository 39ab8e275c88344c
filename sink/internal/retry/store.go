package retry

import (
	"context"
	"io"
	"iter"
	"time"

	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/sink/driver"
)

// Store is a driver.Store that retries calls after errors that may pass. Pauses are jittered and grow, and each attempt has
// a bound on its time. By the contract of driver.Store repeating is safe for every call. But a repeated Create may report
// fs.ErrExist about its own object, so callers compare what is there. Stage is not repeated, since each attempt needs its
// own name. A listing goes on after the last object it gave. It is safe for concurrent use.
type Store struct {
	driver.Store // as it is, for who tries again by himself
	env          *env.Env
}

// New returns s with calls that are tried again.
func New(s driver.Store, e *env.Env) *Store { return &Store{s, e} }

// Traits are those of the driver.Store.
func (r *Store) Traits() driver.Traits { return driver.TraitsOf(r.Store) }

// Create creates an object.
func (r *Store) Create(ctx context.Context, key string, body []byte) error {
	return Do(ctx, r.env, func(ctx context.Context) error { return r.Store.Create(ctx, key, body) })
}

// Read reads an object.
func (r *Store) Read(ctx context.Context, key string, limit int64) (body []byte, err error) {
	err = Do(ctx, r.env, func(ctx context.Context) error {
		body, err = r.Store.Read(ctx, key, limit)
		return err
	})
	return body, err
}

// Now is the store's clock.
func (r *Store) Now(ctx context.Context) (now time.Time, err error) {
	err = Do(ctx, r.env, func(ctx context.Context) error {
		now, err = r.Store.Now(ctx)
		return err
	})
	return now, err
}

// Open is not bounded in time, since the reader lives longer than the call.
func (r *Store) Open(ctx context.Context, key string) (rc io.ReadCloser, err error) {
	unbounded := *r.env
	unbounded.Attempt = 0
	err = Do(ctx, &unbounded, func(ctx context.Context) error {
		rc, err = r.Store.Open(ctx, key)
		return err
	})
	return rc, err
}

// Publish makes a staged file visible.
func (r *Store) Publish(ctx context.Context, ref []byte) error {
	return Do(ctx, r.env, func(ctx context.Context) error { return r.Store.Publish(ctx, ref) })
}

// Discard deletes a staged file.
func (r *Store) Discard(ctx context.Context, s driver.Staging) error {
	return Do(ctx, r.env, func(ctx context.Context) error { return r.Store.Discard(ctx, s) })
}

// List lists objects; it is not bounded in time.
func (r *Store) List(ctx context.Context, prefix, after string) iter.Seq2[driver.Object, error] {
	unbounded := *r.env
	unbounded.Attempt = 0
	return func(yield func(driver.Object, error) bool) {
		stopped := false
		err := Do(ctx, &unbounded, func(ctx context.Context) error {
			for o, err := range r.Store.List(ctx, prefix, after) {
				if err != nil {
					return err
				}
				after = o.Key
				if !yield(o, nil) {
					stopped = true
					return nil
				}
			}
			return nil
		})
		if err != nil && !stopped {
			yield(driver.Object{}, err)
		}
	}
}

// ReadRange reads some bytes of an object.
func (r *Store) ReadRange(ctx context.Context, key string, offset, length int64) (body []byte, err error) {
	err = Do(ctx, r.env, func(ctx context.Context) error {
		body, err = r.Store.ReadRange(ctx, key, offset, length)
		return err
	})
	return body, err
}

// Delete deletes an object.
func (r *Store) Delete(ctx context.Context, key string) error {
	return Do(ctx, r.env, func(ctx context.Context) error { return r.Store.Delete(ctx, key) })
}
