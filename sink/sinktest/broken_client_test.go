package sinktest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"iter"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	storage "github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/sinktest/example"
)

func isStaging(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/bucket/staging/") }
func isData(r *http.Request) bool    { return strings.HasPrefix(r.URL.Path, "/bucket/data/") }

// believe gives what arrived the sum that it has.
func believe(r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.Header.Set("Sum", fmt.Sprintf("%08x", crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli))))
}

// nameByKey leaves the random part of a name in staging out.
func nameByKey(r *http.Request) {
	if !isStaging(r) {
		return
	}
	segments := strings.SplitN(r.URL.Path, "/", 6)
	segments[4] = "x"
	r.URL.Path, r.URL.RawPath = strings.Join(segments, "/"), ""
}

// twice is a store and the same without conditions.
type publishLooks struct {
	*example.Store
	plain *example.Store
}

func webRef(ref []byte) (r struct{ Key, Staging, ID string }) {
	_ = json.Unmarshal(ref, &r)
	return r
}

func (s publishLooks) Publish(ctx context.Context, ref []byte) error {
	if _, err := s.Read(ctx, webRef(ref).Key, 1<<30); errors.Is(err, fs.ErrNotExist) {
		return s.plain.Publish(ctx, ref)
	}
	return s.Store.Publish(ctx, ref)
}

type createLooks struct {
	*example.Store
	plain *example.Store
}

func (s createLooks) Create(ctx context.Context, key string, body []byte) error {
	if _, err := s.Read(ctx, key, 1<<30); errors.Is(err, fs.ErrNotExist) {
		return s.plain.Create(ctx, key, body)
	}
	return s.Store.Create(ctx, key, body)
}

type createInsists struct {
	*example.Store
	plain *example.Store
}

func (s createInsists) Create(ctx context.Context, key string, body []byte) error {
	if err := s.Store.Create(ctx, key, body); err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	return s.plain.Create(ctx, key, body)
}

type publishInsists struct {
	*example.Store
	plain *example.Store
}

func (s publishInsists) Publish(ctx context.Context, ref []byte) error {
	if err := s.Store.Publish(ctx, ref); err == nil || errors.Is(err, storage.ErrStagingLost) {
		return err
	}
	return s.plain.Publish(ctx, ref)
}

// held is an upload whose bytes stay in this process.
type held struct {
	key   string
	body  []byte
	close func(*held) ([]byte, error)
}

func (u *held) Write(p []byte) (int, error) {
	u.body = append(u.body, p...)
	return len(p), nil
}

func (u *held) Close(context.Context) ([]byte, error) { return u.close(u) }
func (u *held) Abort(context.Context) error           { return nil }

// stagedInMemory keeps files until their Publish.
type stagedInMemory struct {
	*example.Store
	files sync.Map // of bodies, by key
}

func (s *stagedInMemory) Stage(_ context.Context, key, _ string, _ int64) (storage.Upload, error) {
	return &held{key: key, close: func(u *held) ([]byte, error) {
		s.files.Store(u.key, u.body)
		return json.Marshal(u.key)
	}}, nil
}

func (s *stagedInMemory) Publish(ctx context.Context, ref []byte) error {
	var key string
	_ = json.Unmarshal(ref, &key)
	body, ok := s.files.Load(key)
	if !ok {
		return storage.ErrStagingLost
	}
	return s.Create(ctx, key, body.([]byte))
}

// stagedLater sends a file at the next Close.
type stagedLater struct {
	*example.Store
	mu   sync.Mutex
	send func()
}

func (s *stagedLater) Stage(ctx context.Context, key, owner string, most int64) (storage.Upload, error) {
	up, err := s.Store.Stage(ctx, key, owner, most)
	if err != nil {
		return nil, err
	}
	return changed{Upload: up, close: func(ctx context.Context) ([]byte, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.send != nil {
			s.send()
		}
		s.send = func() { _, _ = up.Close(ctx) }
		return json.Marshal(map[string]string{"Key": key, "Staging": "staging/later", "ID": "later"})
	}}, nil
}

// stagedHere yields what this process has staged.
type stagedHere struct {
	*example.Store
	mine sync.Map // keys
}

func (s *stagedHere) Stage(ctx context.Context, key, owner string, most int64) (storage.Upload, error) {
	s.mine.Store(key, true)
	return s.Store.Stage(ctx, key, owner, most)
}

func (s *stagedHere) Staged(ctx context.Context) iter.Seq2[storage.Staging, error] {
	return func(yield func(storage.Staging, error) bool) {
		for st, err := range s.Store.Staged(ctx) {
			if _, ok := s.mine.Load(st.Key); (ok || err != nil) && !yield(st, err) {
				return
			}
		}
	}
}

// publishGrows puts an empty object first, to have the key.
type publishGrows struct {
	*example.Store
	plain *example.Store
}

func (s publishGrows) Publish(ctx context.Context, ref []byte) error {
	if err := s.Create(ctx, webRef(ref).Key, nil); errors.Is(err, fs.ErrExist) {
		return s.Store.Publish(ctx, ref)
	} else if err != nil {
		return err
	}
	return s.plain.Publish(ctx, ref)
}

type createInSteps struct {
	*example.Store
	plain *example.Store
}

func (s createInSteps) Create(ctx context.Context, key string, body []byte) error {
	if err := s.Store.Create(ctx, key, body[:len(body)/2]); err != nil {
		return err
	}
	return s.plain.Create(ctx, key, body)
}

// publishOf publishes what is in staging, to throw it away as an object.
func publishOf(ctx context.Context, s *example.Store, st storage.Staging) error {
	ref, err := json.Marshal(map[string]string{"Key": st.Key, "Staging": st.ID, "ID": "x"})
	if err != nil {
		return err
	}
	_ = s.Publish(ctx, ref)
	return s.Discard(ctx, storage.Staging{Key: st.Key, ID: "data/" + st.Key})
}

type discardPublishes struct{ *example.Store }

func (s discardPublishes) Discard(ctx context.Context, st storage.Staging) error {
	return publishOf(ctx, s.Store, st)
}

type abortPublishes struct{ *example.Store }

func (s abortPublishes) Stage(ctx context.Context, key, owner string, most int64) (storage.Upload, error) {
	up, err := s.Store.Stage(ctx, key, owner, most)
	return changed{Upload: up, abort: func(ctx context.Context) error {
		for st := range s.Staged(ctx) {
			if st.Key == key {
				return publishOf(ctx, s.Store, st)
			}
		}
		return nil
	}}, err
}

type publishDoesNotLook struct{ *example.Store }

func (s publishDoesNotLook) Publish(ctx context.Context, ref []byte) error {
	for range 2 {
		if err := s.Discard(ctx, storage.Staging{Key: "-", ID: "data/none"}); err != nil { // the server is there
			return err
		}
	}
	for st := range s.Staged(ctx) {
		if st.ID == webRef(ref).Staging {
			return s.Store.Publish(ctx, ref)
		}
	}
	return storage.ErrStagingLost
}

// get asks without looking at how much comes.
func get(ctx context.Context, s *example.Store, path string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+path, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+s.Token)
	return s.Client.Do(r)
}

type readsHalf struct{ *example.Store }

func (s readsHalf) Read(ctx context.Context, key string, limit int64) ([]byte, error) {
	if _, err := s.Store.Read(ctx, key, limit); !errors.Is(err, io.ErrUnexpectedEOF) {
		return s.Store.Read(ctx, key, limit)
	}
	return []byte("half"), nil
}

type listsHalf struct{ *example.Store }

func (s listsHalf) List(ctx context.Context, prefix, after string) iter.Seq2[storage.Object, error] {
	return func(yield func(storage.Object, error) bool) {
		for o, err := range s.Store.List(ctx, prefix, after) {
			if errors.Is(err, io.ErrUnexpectedEOF) || !yield(o, err) {
				return
			}
		}
	}
}

type readIsNotThere struct{ *example.Store }

func (s readIsNotThere) Read(ctx context.Context, key string, limit int64) ([]byte, error) {
	b, err := s.Store.Read(ctx, key, limit)
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}
	return b, err
}

type publishIsLost struct{ *example.Store }

func (s publishIsLost) Publish(ctx context.Context, ref []byte) error {
	if err := s.Store.Publish(ctx, ref); err != nil {
		return fmt.Errorf("%w: %w", storage.ErrStagingLost, err)
	}
	return nil
}

type listIgnoresErrors struct{ *example.Store }

func (s listIgnoresErrors) List(ctx context.Context, prefix, after string) iter.Seq2[storage.Object, error] {
	return func(yield func(storage.Object, error) bool) {
		for o, err := range s.Store.List(ctx, prefix, after) {
			if err != nil || !yield(o, nil) {
				return
			}
		}
	}
}

type stagedIgnoresErrors struct{ *example.Store }

func (s stagedIgnoresErrors) Staged(ctx context.Context) iter.Seq2[storage.Staging, error] {
	return func(yield func(storage.Staging, error) bool) {
		for st, err := range s.Store.Staged(ctx) {
			if err != nil || !yield(st, nil) {
				return
			}
		}
	}
}

type discardIgnoresErrors struct{ *example.Store }

func (s discardIgnoresErrors) Discard(ctx context.Context, st storage.Staging) error {
	_ = s.Store.Discard(ctx, st)
	return ctx.Err()
}

type abortIgnoresErrors struct{ *example.Store }

func (s abortIgnoresErrors) Stage(ctx context.Context, key, owner string, most int64) (storage.Upload, error) {
	up, err := s.Store.Stage(ctx, key, owner, most)
	return changed{Upload: up, abort: func(ctx context.Context) error {
		_ = up.Abort(ctx)
		return ctx.Err()
	}}, err
}

// brokenByFailure has had enough after one.
type brokenByFailure struct {
	*example.Store
	broken atomic.Bool
}

func (s *brokenByFailure) Create(ctx context.Context, key string, body []byte) error {
	if s.broken.Load() {
		return errors.New("the connection is broken")
	}
	err := s.Store.Create(ctx, key, body)
	s.broken.Store(err != nil && !errors.Is(err, fs.ErrExist))
	return err
}

type tellsToken struct{ *example.Store }

func (s tellsToken) Create(ctx context.Context, key string, body []byte) error {
	if err := s.Store.Create(ctx, key, body); err != nil {
		return fmt.Errorf("create with headers [Authorization: Bearer %s]: %w", s.Token, err)
	}
	return nil
}

// tellsURL signs its URLs, which the HTTP client puts into its errors.
type tellsURL struct{ *example.Store }

func (s tellsURL) Now(ctx context.Context) (time.Time, error) {
	res, err := get(ctx, s.Store, "?max=1&sig=0123456789abcdef")
	if err != nil {
		return time.Time{}, err
	}
	defer res.Body.Close()
	return http.ParseTime(res.Header.Get("Date"))
}

// waiting is the same store without time-outs.
func waiting(s *example.Store) *example.Store {
	c := *s
	c.Timeout, c.Client = time.Hour, &http.Client{Transport: &http.Transport{}}
	return &c
}

type listIsPatient struct {
	*example.Store
	slow *example.Store
}

func (s listIsPatient) List(ctx context.Context, prefix, after string) iter.Seq2[storage.Object, error] {
	return s.slow.List(ctx, prefix, after)
}

type closeIsPatient struct {
	*example.Store
	slow *example.Store
}

func (s closeIsPatient) Stage(ctx context.Context, key, owner string, most int64) (storage.Upload, error) {
	return s.slow.Stage(ctx, key, owner, most)
}

type ignoresEnd struct{ *example.Store }

func (s ignoresEnd) Read(ctx context.Context, key string, limit int64) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return s.Store.Read(context.WithoutCancel(ctx), key, limit)
}

type hidesEnd struct{ *example.Store }

func (s hidesEnd) Create(ctx context.Context, key string, body []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.Store.Create(ctx, key, body); err != nil {
		return fmt.Errorf("the network fails: %v", err) //nolint:errorlint // that is what is wrong with it
	}
	return nil
}

type machineClock struct{ *example.Store }

func (s machineClock) Now(ctx context.Context) (time.Time, error) { return time.Now().UTC(), ctx.Err() }

type machineClockThen struct{ *example.Store }

func (s machineClockThen) Now(ctx context.Context) (time.Time, error) {
	if now, err := s.Store.Now(ctx); err == nil {
		return now, nil
	}
	return time.Now().UTC(), ctx.Err()
}

// machineClockNear believes the server only if it is far from the machine.
type machineClockNear struct{ *example.Store }

func (s machineClockNear) Now(ctx context.Context) (time.Time, error) {
	now, err := s.Store.Now(ctx)
	if err == nil && time.Since(now).Abs() < 10*time.Minute {
		now = time.Now().UTC()
	}
	return now, err
}

type firstClock struct {
	*example.Store
	once sync.Once
	at   time.Time
	err  error
}

func (s *firstClock) Now(ctx context.Context) (time.Time, error) {
	s.once.Do(func() { s.at, s.err = s.Store.Now(ctx) })
	return s.at, s.err
}
