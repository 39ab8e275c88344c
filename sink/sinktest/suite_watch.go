package sinktest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink"
	storage "github.com/onceflow/onceflow/sink/driver"
)

// watched is a Store each of whose calls has a deadline, so that one that hangs is named at once and not waited for. It
// looks for secrets in every error. A suite once hung for 8 minutes and did not say in which call.
type watched struct {
	store sink.Store
	t     *testing.T
	bench *bench
	hung  *atomic.Bool // a call does not return; no other is made
}

var errHung = errors.New("sinktest: the call does not return")

// watch makes a call.
func watch[T any](w *watched, call string, f func() (T, error)) (T, error) {
	var none T
	if w.hung.Load() {
		return none, errHung
	}
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		v, err := f()
		done <- result{v, err}
	}()
	timer := time.NewTimer(w.bench.Patience)
	defer timer.Stop()
	select {
	case r := <-done:
		if r.err != nil && w.bench.secret(r.err.Error()) {
			w.t.Errorf("%s: the error shows a secret: a password, a token or a signature (its text is left out here)", call)
			r.err = errors.New("sinktest: an error that has a secret")
		}
		return r.value, r.err
	case <-timer.C:
		w.hung.Store(true)
		w.t.Errorf("%s has not returned after %s: a Store bounds the time of each of its requests, so that every call ends", call, w.bench.Patience)
		return none, errHung
	}
}

func watchErr(w *watched, call string, f func() error) error {
	_, err := watch(w, call, func() (struct{}, error) { return struct{}{}, f() })
	return err
}

func (w *watched) Create(ctx context.Context, key string, body []byte) error {
	return watchErr(w, fmt.Sprintf("Create(%q)", key), func() error { return w.store.Create(ctx, key, body) })
}

func (w *watched) Read(ctx context.Context, key string, limit int64) ([]byte, error) {
	return watch(w, fmt.Sprintf("Read(%q)", key), func() ([]byte, error) { return w.store.Read(ctx, key, limit) })
}

func (w *watched) ReadRange(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	return watch(w, fmt.Sprintf("ReadRange(%q, %d, %d)", key, offset, length), func() ([]byte, error) {
		return w.store.ReadRange(ctx, key, offset, length)
	})
}

func (w *watched) Delete(ctx context.Context, key string) error {
	return watchErr(w, fmt.Sprintf("Delete(%q)", key), func() error { return w.store.Delete(ctx, key) })
}

func (w *watched) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	call := fmt.Sprintf("Open(%q)", key)
	r, err := watch(w, call, func() (io.ReadCloser, error) { return w.store.Open(ctx, key) })
	if err != nil {
		return nil, err
	}
	return &watchedReader{r, w, call}, nil
}

type watchedReader struct {
	r    io.ReadCloser
	w    *watched
	call string
}

func (r *watchedReader) Read(p []byte) (int, error) {
	return watch(r.w, r.call+", Read", func() (int, error) {
		n, err := r.r.Read(p)
		return n, err
	})
}

func (r *watchedReader) Close() error { return watchErr(r.w, r.call+", Close", r.r.Close) }

func (w *watched) List(ctx context.Context, prefix, after string) iter.Seq2[storage.Object, error] {
	return watchAll(w, fmt.Sprintf("List(%q, %q)", prefix, after), w.store.List(ctx, prefix, after))
}

func (w *watched) Staged(ctx context.Context) iter.Seq2[storage.Staging, error] {
	return watchAll(w, "Staged", w.store.Staged(ctx))
}

// watchAll watches each step of a listing.
func watchAll[T any](w *watched, call string, all iter.Seq2[T, error]) iter.Seq2[T, error] {
	type entry struct {
		value T
		ok    bool
	}
	return func(yield func(T, error) bool) {
		next, stop := iter.Pull2(all)
		defer func() {
			if !w.hung.Load() { // else next may be running
				stop()
			}
		}()
		for {
			e, err := watch(w, call, func() (entry, error) {
				v, err, ok := next()
				return entry{v, ok}, err
			})
			if !e.ok && err == nil || !yield(e.value, err) || errors.Is(err, errHung) {
				return
			}
		}
	}
}

func (w *watched) Now(ctx context.Context) (time.Time, error) {
	return watch(w, "Now", func() (time.Time, error) { return w.store.Now(ctx) })
}

func (w *watched) Publish(ctx context.Context, ref []byte) error {
	return watchErr(w, fmt.Sprintf("Publish(%.40q)", ref), func() error { return w.store.Publish(ctx, ref) })
}

func (w *watched) Discard(ctx context.Context, s storage.Staging) error {
	return watchErr(w, fmt.Sprintf("Discard(%+v)", s), func() error { return w.store.Discard(ctx, s) })
}

func (w *watched) Stage(ctx context.Context, key, owner string, most int64) (storage.Upload, error) {
	call := fmt.Sprintf("Stage(%q)", key)
	up, err := watch(w, call, func() (storage.Upload, error) { return w.store.Stage(ctx, key, owner, most) })
	if err != nil {
		return nil, err
	}
	return &watchedUpload{up, w, call}, nil
}

type watchedUpload struct {
	up   storage.Upload
	w    *watched
	call string
}

func (u *watchedUpload) Write(p []byte) (int, error) {
	return watch(u.w, u.call+", Write", func() (int, error) {
		n, err := u.up.Write(p)
		return n, err
	})
}

func (u *watchedUpload) Close(ctx context.Context) ([]byte, error) {
	return watch(u.w, u.call+", Close", func() ([]byte, error) { return u.up.Close(ctx) })
}

func (u *watchedUpload) Abort(ctx context.Context) error {
	return watchErr(u.w, u.call+", Abort", func() error { return u.up.Abort(ctx) })
}
