package main

import (
	"bytes"
	"context"
	"io"
	"iter"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/driver"
)

// requests counts what is asked of a store, by kind of request and of object: "read pack". It is safe for concurrent use.
type requests struct {
	mu     sync.Mutex
	counts map[string]int64
	packs  map[string]bool // of which the contents were read
}

func newRequests() *requests {
	return &requests{counts: map[string]int64{}, packs: map[string]bool{}}
}

func (r *requests) add(what, key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[what+" "+object(key)]++
}

// object is what kind of object has a key, which may be part of something longer.
func object(key string) string {
	switch {
	case strings.Contains(key, ".pack"):
		return "pack"
	case strings.Contains(key, "merges/"):
		return "record"
	case strings.Contains(key, "tenant="):
		return "file"
	}
	return "other"
}

// counted is a Store whose requests are counted.
type counted struct {
	sink.Store
	r *requests
}

func (c counted) Traits() driver.Traits { return driver.TraitsOf(c.Store) }

func (c counted) Create(ctx context.Context, key string, body []byte) error {
	c.r.add("create", key)
	return c.Store.Create(ctx, key, body)
}

func (c counted) Read(ctx context.Context, key string, limit int64) ([]byte, error) {
	c.r.add("read", key)
	return c.Store.Read(ctx, key, limit)
}

// ReadRange tells the first read of a pack, which is of its list of segments, from the others.
func (c counted) ReadRange(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	c.r.mu.Lock()
	first := !c.r.packs[key]
	c.r.packs[key] = true
	c.r.mu.Unlock()
	if first {
		c.r.add("list of", key)
	} else {
		c.r.add("range of", key)
	}
	return c.Store.ReadRange(ctx, key, offset, length)
}

func (c counted) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	c.r.add("open", key)
	return c.Store.Open(ctx, key)
}

func (c counted) Delete(ctx context.Context, key string) error {
	c.r.add("delete", key)
	return c.Store.Delete(ctx, key)
}

func (c counted) List(ctx context.Context, prefix, after string) iter.Seq2[driver.Object, error] {
	c.r.add("list", prefix)
	return c.Store.List(ctx, prefix, after)
}

func (c counted) Now(ctx context.Context) (time.Time, error) {
	c.r.add("now", "")
	return c.Store.Now(ctx)
}

func (c counted) Stage(ctx context.Context, key, owner string, most int64) (driver.Upload, error) {
	c.r.add("stage", key)
	up, err := c.Store.Stage(ctx, key, owner, most)
	if err != nil {
		return nil, err
	}
	if g, ok := up.(driver.Gatherer); ok {
		return gathering{countedUpload{up, c.r, key}, g}, nil
	}
	return countedUpload{up, c.r, key}, nil
}

// Publish finds the kind of the object in what the store says of it.
func (c counted) Publish(ctx context.Context, ref []byte) error {
	c.r.add("publish", string(bytes.ReplaceAll(ref, []byte(`\u003d`), []byte("="))))
	return c.Store.Publish(ctx, ref)
}

type countedUpload struct {
	driver.Upload
	r   *requests
	key string
}

func (u countedUpload) Close(ctx context.Context) ([]byte, error) {
	u.r.add("close", u.key)
	return u.Upload.Close(ctx)
}

func (u countedUpload) Abort(ctx context.Context) error {
	u.r.add("abort", u.key)
	return u.Upload.Abort(ctx)
}

type gathering struct {
	countedUpload
	driver.Gatherer
}

// wire counts HTTP requests.
type wire struct {
	http.RoundTripper
	r *requests
}

func (w wire) RoundTrip(q *http.Request) (*http.Response, error) {
	path := strings.ReplaceAll(q.URL.Path, "%3D", "=")
	if q.URL.Query().Has("delete") { // what was copied to keys of files, mostly
		path = "tenant="
	}
	w.r.add(q.Method, path)
	return w.RoundTripper.RoundTrip(q)
}
