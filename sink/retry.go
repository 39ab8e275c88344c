package sink

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"syscall"
	"time"

	"github.com/onceflow/onceflow/internal/env"
	storage "github.com/onceflow/onceflow/sink/driver"
)

// attempts is how often a call of a store is tried: with the pauses below for about 10 seconds. What takes longer is up
// to the caller, who knows whether to go on.
const attempts = 7

// retrying is a Store whose calls are tried again after errors that may pass, with jittered pauses that grow and a bound
// on the time of each attempt. Repeating is safe for each of them by the contract of Store; only a Create that was tried
// again may report fs.ErrExist about its own object, so a caller compares what is there. Stage is not repeated: see
// fileSet.stage. Listings begin again behind the last object they gave.
type retrying struct {
	Store
	env *env.Env
}

// permanent reports whether err will not go away by itself.
func permanent(err error) bool {
	for _, e := range []error{
		fs.ErrExist, fs.ErrNotExist, fs.ErrPermission, fs.ErrInvalid, errors.ErrUnsupported,
		storage.ErrStagingLost, storage.ErrPermanent, errUnreadable, syscall.ENOSPC, syscall.EROFS,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// retry calls f until it succeeds, fails for good, or was tried often enough.
func retry(ctx context.Context, e *env.Env, f func(ctx context.Context) error) error {
	return retryWhile(ctx, e, f, func(try int, _ error) bool { return try < attempts })
}

// retryWhile calls f until it succeeds, fails for good, or again returns false for the number of tries so far and the
// last error. Pauses begin at 50 ms and grow to 5 s.
func retryWhile(ctx context.Context, e *env.Env, f func(ctx context.Context) error, again func(int, error) bool) error {
	pause := 100 * time.Millisecond
	for try := 1; ; try++ {
		err := attempt(ctx, e, f)
		if err == nil || permanent(err) || ctx.Err() != nil || !again(try, err) {
			return err
		}
		if e.Sleep(ctx, e.Jitter(pause)) != nil {
			return err
		}
		pause = min(2*pause, 5*time.Second)
	}
}

func attempt(ctx context.Context, e *env.Env, f func(ctx context.Context) error) error {
	if e.Attempt <= 0 {
		return f(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, e.Attempt)
	defer cancel()
	return f(ctx)
}

// Traits are those of the Store.
func (r *retrying) Traits() storage.Traits { return storage.TraitsOf(r.Store) }

func (r *retrying) Create(ctx context.Context, key string, body []byte) error {
	return retry(ctx, r.env, func(ctx context.Context) error { return r.Store.Create(ctx, key, body) })
}

func (r *retrying) Read(ctx context.Context, key string, limit int64) (body []byte, err error) {
	err = retry(ctx, r.env, func(ctx context.Context) error {
		body, err = r.Store.Read(ctx, key, limit)
		return err
	})
	return body, err
}

func (r *retrying) Now(ctx context.Context) (now time.Time, err error) {
	err = retry(ctx, r.env, func(ctx context.Context) error {
		now, err = r.Store.Now(ctx)
		return err
	})
	return now, err
}

// Open is not bounded in time, since the reader lives longer than the call.
func (r *retrying) Open(ctx context.Context, key string) (rc io.ReadCloser, err error) {
	unbounded := *r.env
	unbounded.Attempt = 0
	err = retry(ctx, &unbounded, func(ctx context.Context) error {
		rc, err = r.Store.Open(ctx, key)
		return err
	})
	return rc, err
}

func (r *retrying) Publish(ctx context.Context, ref []byte) error {
	return retry(ctx, r.env, func(ctx context.Context) error { return r.Store.Publish(ctx, ref) })
}

func (r *retrying) Discard(ctx context.Context, s storage.Staging) error {
	return retry(ctx, r.env, func(ctx context.Context) error { return r.Store.Discard(ctx, s) })
}

func (r *retrying) List(ctx context.Context, prefix, after string) iter.Seq2[storage.Object, error] {
	unbounded := *r.env
	unbounded.Attempt = 0
	return func(yield func(storage.Object, error) bool) {
		stopped := false
		err := retry(ctx, &unbounded, func(ctx context.Context) error {
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
			yield(storage.Object{}, err)
		}
	}
}
