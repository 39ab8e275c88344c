package metrics

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"sync/atomic"
	"time"

	storage "github.com/onceflow/onceflow/sink/driver"
)

// call is a method of a store.
type call int

// The calls. A write is one of an upload: many of them gather only.
const (
	callCreate call = iota
	callRead
	callOpen
	callReadRange
	callDelete
	callList
	callNow
	callStage
	callWrite
	callClose
	callAbort
	callPublish
	callStaged
	callDiscard

	calls = iota
)

var callNames = [calls]string{
	"create", "read", "open", "read_range", "delete", "list", "now", "stage", "write", "close", "abort", "publish", "staged", "discard",
}

// outcome is how a call ended.
type outcome int

const (
	succeeded outcome = iota
	exists
	notFound
	refused // the caller may not
	canceled
	failed

	outcomes = iota
)

var outcomeNames = [outcomes]string{"ok", "exists", "not_found", "refused", "canceled", "failed"}

func outcomeOf(err error) outcome {
	switch {
	case err == nil:
		return succeeded
	case errors.Is(err, fs.ErrExist):
		return exists
	case errors.Is(err, storage.ErrStagingLost), errors.Is(err, fs.ErrNotExist):
		return notFound
	case errors.Is(err, fs.ErrPermission), errors.Is(err, storage.ErrPermanent):
		return refused
	case errors.Is(err, context.Canceled):
		return canceled
	}
	return failed
}

// countedStore counts the calls of a store. It costs two readings of a clock and two additions a call.
type countedStore struct {
	storage.Store
	n             [calls][outcomes]atomic.Int64
	took          [calls]atomic.Int64
	read, written atomic.Int64
}

// storeFamilies are the metrics of a store.
var storeFamilies = []*family[*countedStore]{
	counter("store_calls_total", "{call}", "Calls of the store, attempt by attempt, by method and outcome: ok, exists, not_found, refused, canceled, failed.", func(s *countedStore, e emit) {
		for c := range call(calls) {
			for o := range outcome(outcomes) {
				if n := s.n[c][o].Load(); n > 0 || o == succeeded || o == failed { // also none: an alarm on a series that is not there never fires
					e(float64(n), callNames[c], outcomeNames[o])
				}
			}
		}
	}, "store", "call", "outcome"),
	counter("store_seconds_total", "s", "Time that these calls took.", func(s *countedStore, e emit) {
		for c := range call(calls) {
			e(time.Duration(s.took[c].Load()).Seconds(), callNames[c])
		}
	}, "store", "call"),
	counter("store_bytes_total", "By", "Bytes that were read and written.", func(s *countedStore, e emit) {
		e(float64(s.read.Load()), "read")
		e(float64(s.written.Load()), "written")
	}, "store", "direction"),
}

// StoreCosts is what a store was asked for.
type StoreCosts struct {
	Store         string
	Calls, Failed int64 // Failed are those that may be made again
	Read, Written int64 // bytes
}

// Stores returns what each store was asked for, by name.
func (s *Set) Stores() (list []StoreCosts) {
	s.mu.Lock()
	stores := s.stores
	s.mu.Unlock()
	for _, n := range stores {
		c := StoreCosts{Store: n.labels[0], Read: n.is.read.Load(), Written: n.is.written.Load()}
		for call := range n.is.n {
			for o := range n.is.n[call] {
				c.Calls += n.is.n[call][o].Load()
			}
			c.Failed += n.is.n[call][failed].Load()
		}
		list = append(list, c)
	}
	return list
}

// did counts a call that began at a time.
func (s *countedStore) did(c call, began time.Time, err error) {
	s.n[c][outcomeOf(err)].Add(1)
	s.took[c].Add(int64(time.Since(began)))
}

// Traits are those of the store.
func (s *countedStore) Traits() storage.Traits { return storage.TraitsOf(s.Store) }

func (s *countedStore) Create(ctx context.Context, key string, body []byte) error {
	began := time.Now()
	err := s.Store.Create(ctx, key, body)
	s.did(callCreate, began, err)
	s.written.Add(int64(len(body)))
	return err
}

func (s *countedStore) Read(ctx context.Context, key string, limit int64) ([]byte, error) {
	began := time.Now()
	body, err := s.Store.Read(ctx, key, limit)
	s.did(callRead, began, err)
	s.read.Add(int64(len(body)))
	return body, err
}

func (s *countedStore) ReadRange(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	began := time.Now()
	body, err := s.Store.ReadRange(ctx, key, offset, length)
	s.did(callReadRange, began, err)
	s.read.Add(int64(len(body)))
	return body, err
}

func (s *countedStore) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	began := time.Now()
	r, err := s.Store.Open(ctx, key)
	s.did(callOpen, began, err)
	if err != nil {
		return nil, err
	}
	return &countedReader{r, s}, nil
}

// countedReader counts bytes.
type countedReader struct {
	io.ReadCloser
	s *countedStore
}

func (r *countedReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.s.read.Add(int64(n))
	return n, err
}

func (s *countedStore) Delete(ctx context.Context, key string) error {
	began := time.Now()
	err := s.Store.Delete(ctx, key)
	s.did(callDelete, began, err)
	return err
}

func (s *countedStore) List(ctx context.Context, prefix, after string) iter.Seq2[storage.Object, error] {
	return counted(s, callList, s.Store.List(ctx, prefix, after))
}

func (s *countedStore) Staged(ctx context.Context) iter.Seq2[storage.Staging, error] {
	return counted(s, callStaged, s.Store.Staged(ctx))
}

// counted counts a listing as one call. Its time is that of its consumer, too.
func counted[T any](s *countedStore, c call, list iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		began := time.Now()
		var last error
		defer func() { s.did(c, began, last) }()
		for v, err := range list {
			last = err
			if !yield(v, err) {
				return
			}
		}
	}
}

func (s *countedStore) Now(ctx context.Context) (time.Time, error) {
	began := time.Now()
	t, err := s.Store.Now(ctx)
	s.did(callNow, began, err)
	return t, err
}

func (s *countedStore) Publish(ctx context.Context, ref []byte) error {
	began := time.Now()
	err := s.Store.Publish(ctx, ref)
	s.did(callPublish, began, err)
	return err
}

func (s *countedStore) Discard(ctx context.Context, st storage.Staging) error {
	began := time.Now()
	err := s.Store.Discard(ctx, st)
	s.did(callDiscard, began, err)
	return err
}

func (s *countedStore) Stage(ctx context.Context, key, owner string, most int64) (storage.Upload, error) {
	began := time.Now()
	up, err := s.Store.Stage(ctx, key, owner, most)
	s.did(callStage, began, err)
	if err != nil {
		return nil, err
	}
	gatherer, _ := up.(storage.Gatherer)
	return &countedUpload{up, gatherer, s}, nil
}

// countedUpload counts what is done with a file that is staged.
type countedUpload struct {
	up       storage.Upload
	gatherer storage.Gatherer // nil if it gathers nothing
	s        *countedStore
}

func (u *countedUpload) Gathered() int64 {
	if u.gatherer == nil {
		return 0
	}
	return u.gatherer.Gathered()
}

func (u *countedUpload) Write(p []byte) (int, error) {
	began := time.Now()
	n, err := u.up.Write(p)
	u.s.did(callWrite, began, err)
	u.s.written.Add(int64(n))
	return n, err
}

func (u *countedUpload) Close(ctx context.Context) ([]byte, error) {
	began := time.Now()
	ref, err := u.up.Close(ctx)
	u.s.did(callClose, began, err)
	return ref, err
}

func (u *countedUpload) Abort(ctx context.Context) error {
	began := time.Now()
	err := u.up.Abort(ctx)
	u.s.did(callAbort, began, err)
	return err
}
