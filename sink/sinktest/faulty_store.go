package sinktest

import (
	"bytes"
	"context"
	"io"
	"iter"
	"sync"
	"time"

	storage "github.com/onceflow/onceflow/sink/driver"
)

// Create implements sink.Store, as do the other methods here.
func (f *Faulty) Create(ctx context.Context, key string, body []byte) error {
	body = bytes.Clone(body) // it may be applied late
	return f.do(ctx, OpCreate, key, false, func(ctx context.Context) error { return f.store.Create(ctx, key, body) })
}

// Read reads.
func (f *Faulty) Read(ctx context.Context, key string, limit int64) (body []byte, err error) {
	err = f.do(ctx, OpRead, key, true, func(ctx context.Context) (err error) {
		body, err = f.store.Read(ctx, key, limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	return body, nil
}

// Open opens; reading from what it returns is no call.
func (f *Faulty) Open(ctx context.Context, key string) (r io.ReadCloser, err error) {
	err = f.do(ctx, OpOpen, key, true, func(ctx context.Context) (err error) {
		r, err = f.store.Open(ctx, key)
		return err
	})
	if err != nil && r != nil {
		_ = r.Close()
		r = nil
	}
	return r, err
}

// ReadRange reads a part.
func (f *Faulty) ReadRange(ctx context.Context, key string, offset, length int64) (body []byte, err error) {
	err = f.do(ctx, OpReadRange, key, true, func(ctx context.Context) (err error) {
		body, err = f.store.ReadRange(ctx, key, offset, length)
		return err
	})
	if err != nil {
		return nil, err
	}
	return body, nil
}

// Delete deletes.
func (f *Faulty) Delete(ctx context.Context, key string) error {
	return f.do(ctx, OpDelete, key, false, func(ctx context.Context) error { return f.store.Delete(ctx, key) })
}

// Now asks for the time.
func (f *Faulty) Now(ctx context.Context) (t time.Time, err error) {
	err = f.do(ctx, OpNow, "", true, func(ctx context.Context) (err error) {
		t, err = f.store.Now(ctx)
		return err
	})
	return t, err
}

// List lists; it counts as a call when it is ranged over.
func (f *Faulty) List(ctx context.Context, prefix, after string) iter.Seq2[storage.Object, error] {
	return func(yield func(storage.Object, error) bool) {
		listing(ctx, f, OpList, prefix, f.store.List(ctx, prefix, after), yield)
	}
}

// Staged lists; it counts as a call when it is ranged over.
func (f *Faulty) Staged(ctx context.Context) iter.Seq2[storage.Staging, error] {
	return func(yield func(storage.Staging, error) bool) {
		listing(ctx, f, OpStaged, "", f.store.Staged(ctx), yield)
	}
}

// listing makes a call whose reply comes in pieces.
func listing[T any](ctx context.Context, f *Faulty, op Op, key string, all iter.Seq2[T, error], yield func(T, error) bool) {
	var zero T
	c, mode := f.begin(ctx, op, key)
	stopped := false
	pass := func(n int) error {
		for v, err := range all {
			if err != nil {
				return err
			}
			if n == 0 {
				return nil
			}
			n--
			if !yield(v, nil) {
				stopped = true
				return nil
			}
		}
		return nil
	}
	err := f.run(ctx, c, mode, true, func(context.Context) error {
		if mode == Pass {
			return pass(-1)
		}
		n := 0
		for _, err := range all {
			if err != nil {
				return err
			}
			n++
		}
		return pass(n / 2)
	})
	f.end(c, err)
	if err != nil && !stopped {
		yield(zero, err)
	}
}

// Publish publishes.
func (f *Faulty) Publish(ctx context.Context, ref []byte) error {
	ref = bytes.Clone(ref)
	key := ""
	if k, ok := f.store.(interface{ RefKey(ref []byte) string }); ok {
		key = k.RefKey(ref)
	}
	return f.do(ctx, OpPublish, key, false, func(ctx context.Context) error { return f.store.Publish(ctx, ref) })
}

// Discard discards.
func (f *Faulty) Discard(ctx context.Context, s storage.Staging) error {
	return f.do(ctx, OpDiscard, s.Key, false, func(ctx context.Context) error { return f.store.Discard(ctx, s) })
}

// Stage begins an upload whose calls count and fail like those of the store.
func (f *Faulty) Stage(ctx context.Context, key, owner string, most int64) (storage.Upload, error) {
	var up storage.Upload
	err := f.do(ctx, OpStage, key, false, func(ctx context.Context) (err error) {
		u, err := f.store.Stage(ctx, key, owner, most)
		if err == nil {
			up = u
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &faultyUpload{f: f, key: key, up: up}, nil
}

// faultyUpload has a mutex because a late call takes effect in whatever goroutine makes the call after it.
type faultyUpload struct {
	f   *Faulty
	key string
	mu  sync.Mutex
	up  storage.Upload
}

func (u *faultyUpload) Write(p []byte) (n int, err error) {
	// A Write has no context of its own, and one that failed cannot take effect later: the upload is of no use then.
	err = u.f.do(context.Background(), OpWrite, u.key, true, func(context.Context) (err error) {
		u.mu.Lock()
		defer u.mu.Unlock()
		n, err = u.up.Write(p)
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

func (u *faultyUpload) Close(ctx context.Context) ([]byte, error) {
	var ref []byte
	err := u.f.do(ctx, OpClose, u.key, false, func(ctx context.Context) error {
		u.mu.Lock()
		defer u.mu.Unlock()
		r, err := u.up.Close(ctx)
		ref = r
		return err
	})
	if err != nil {
		return nil, err
	}
	return ref, nil
}

func (u *faultyUpload) Abort(ctx context.Context) error {
	return u.f.do(ctx, OpAbort, u.key, false, func(ctx context.Context) error {
		u.mu.Lock()
		defer u.mu.Unlock()
		return u.up.Abort(ctx)
	})
}

// Traits are those of the wrapped Store.
func (f *Faulty) Traits() storage.Traits { return storage.TraitsOf(f.store) }
