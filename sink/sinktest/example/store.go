package example

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/onceflow/onceflow/sink/driver"
)

// Store is a driver.Store in a bucket of a Server. Objects are data/KEY there, staged files staging/OWNER/ID/KEY. It sends
// each request once, since callers try again. It is safe for concurrent use.
type Store struct {
	URL     string        // of the bucket
	Token   string        // never in an error
	Timeout time.Duration // of a request, the reading of its answer included
	Page    int           // how many objects a listing asks for at a time
	Client  *http.Client
}

var _ driver.Store = (*Store)(nil)

// Traits say that a file is sent at its Close, so that Staged does not show it before.
func (s *Store) Traits() driver.Traits { return driver.Traits{HidesOpen: true} }

// Create puts an object on the condition that there is none.
func (s *Store) Create(ctx context.Context, key string, body []byte) error {
	_, err := s.ask(ctx, key, request{method: http.MethodPut, name: "data/" + key, only: true, body: body})
	return err
}

// Read gets an object. Its length is known before its body is read.
func (s *Store) Read(ctx context.Context, key string, limit int64) ([]byte, error) {
	a, err := s.ask(ctx, key, request{method: http.MethodGet, name: "data/" + key, limit: limit})
	return a.body, err
}

// ReadRange gets a part of an object.
func (s *Store) ReadRange(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	if err := driver.CheckRange(key, offset, length); err != nil {
		return nil, fmt.Errorf("example: %w", err)
	}
	part := url.Values{"offset": {strconv.FormatInt(offset, 10)}, "length": {strconv.FormatInt(length, 10)}}
	a, err := s.ask(ctx, key, request{method: http.MethodGet, name: "data/" + key, query: part, limit: length})
	return a.body, err
}

// Delete deletes an object, if it is there.
func (s *Store) Delete(ctx context.Context, key string) error { return s.remove(ctx, key, "data/"+key) }

// Open returns the body of the answer. Its reader bounds the time from then on.
func (s *Store) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	a, err := s.ask(ctx, key, request{method: http.MethodGet, name: "data/" + key, stream: true})
	if err != nil {
		return nil, err
	}
	return a.stream, nil
}

// List asks for page after page, each from the last name of the one before. Names that are no keys are other programs'.
func (s *Store) List(ctx context.Context, prefix, after string) iter.Seq2[driver.Object, error] {
	return func(yield func(driver.Object, error) bool) {
		s.list(ctx, "data/"+prefix, "data/"+after, func(e entry, err error) bool {
			key := strings.TrimPrefix(e.Name, "data/")
			if err == nil && driver.CheckKey(key) != nil {
				return true
			}
			return yield(driver.Object{Key: key, Size: e.Size}, err)
		})
	}
}

func (s *Store) list(ctx context.Context, prefix, after string, yield func(entry, error) bool) {
	for p := (page{More: true}); p.More; {
		query := url.Values{"prefix": {prefix}, "after": {after}, "max": {strconv.Itoa(s.Page)}}
		a, err := s.ask(ctx, "-", request{method: http.MethodGet, query: query, limit: 64 << 20})
		if p = (page{}); err == nil {
			err = json.Unmarshal(a.body, &p)
		}
		if err != nil {
			yield(entry{}, err)
			return
		}
		for _, e := range p.Objects {
			if after = e.Name; !yield(e, nil) {
				return
			}
		}
	}
}

// page is a part of a listing, as the server sends it.
type page struct {
	Objects []entry
	More    bool
}

type entry struct {
	Name string
	Size int64
}

// Now is the Date of an answer: the server's clock, to the second.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	a, err := s.ask(ctx, "-", request{method: http.MethodGet, query: url.Values{"max": {"1"}}, limit: 1 << 20})
	if err != nil {
		return time.Time{}, err
	}
	return http.ParseTime(a.header.Get("Date"))
}

// upload is kept in memory until Close, which suits short files, and servers without uploads in parts.
type upload struct {
	s     *Store
	ref   ref
	body  []byte
	ended bool
}

// ref says where a staged file is, and by what it is known again when it has its final name.
type ref struct{ Key, Staging, ID string }

var errEnded = errors.New("example: the upload has ended")

// Stage sends nothing yet. The name in staging has a random part, so that no two uploads meet.
func (s *Store) Stage(ctx context.Context, key, owner string, _ int64) (driver.Upload, error) {
	id := rand.Text()
	u := &upload{s: s, ref: ref{Key: key, Staging: "staging/" + owner + "/" + id + "/" + key, ID: id}}
	return u, cmp.Or(ctx.Err(), driver.CheckKey(key), driver.CheckOwner(owner))
}

func (u *upload) Write(p []byte) (int, error) {
	if u.ended {
		return 0, errEnded
	}
	u.body = append(u.body, p...)
	return len(p), nil
}

func (u *upload) Close(ctx context.Context) ([]byte, error) {
	if u.ended {
		return nil, errEnded
	}
	u.ended = true
	if _, err := u.s.ask(ctx, u.ref.Key, request{method: http.MethodPut, name: u.ref.Staging, id: u.ref.ID, body: u.body}); err != nil {
		return nil, err
	}
	return json.Marshal(u.ref)
}

func (u *upload) Gathered() int64 { return int64(cap(u.body)) }

func (u *upload) Abort(ctx context.Context) error {
	u.ended = true
	return u.s.Discard(ctx, driver.Staging{Key: u.ref.Key, ID: u.ref.Staging})
}

// Publish renames a staged file on the condition that its key is free. If it is not, or there is no such staging, the object
// that has the key says why: an earlier Publish, whose reply was lost, has done it, or the file is lost.
func (s *Store) Publish(ctx context.Context, b []byte) error {
	var r ref
	if err := json.Unmarshal(b, &r); err != nil || r.ID == "" {
		return fmt.Errorf("example: publish: not a ref of this store: %w", fs.ErrInvalid)
	}
	_, err := s.ask(ctx, r.Key, request{method: http.MethodPost, name: r.Staging, query: url.Values{"to": {"data/" + r.Key}}, only: true})
	if !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	there, err := s.ask(ctx, r.Key, request{method: http.MethodHead, name: "data/" + r.Key})
	switch {
	case err == nil && there.header.Get("Identity") == r.ID:
		return nil
	case err == nil || errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("example: publish %q: not in staging, or another object has its key: %w", r.Key, driver.ErrStagingLost)
	}
	return err
}

// Staged lists the names in staging.
func (s *Store) Staged(ctx context.Context) iter.Seq2[driver.Staging, error] {
	return func(yield func(driver.Staging, error) bool) {
		s.list(ctx, "staging/", "", func(e entry, err error) bool {
			if err != nil {
				return yield(driver.Staging{}, err)
			}
			parts := strings.SplitN(e.Name, "/", 4)
			return len(parts) < 4 || yield(driver.Staging{Key: parts[3], Owner: parts[1], ID: e.Name, Bytes: e.Size}, nil)
		})
	}
}

// Discard deletes a name in staging. What was published has another name.
func (s *Store) Discard(ctx context.Context, st driver.Staging) error {
	return s.remove(ctx, st.Key, st.ID)
}

func (s *Store) remove(ctx context.Context, key, name string) error {
	if _, err := s.ask(ctx, key, request{method: http.MethodDelete, name: name}); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

type request struct {
	method, name string
	query        url.Values
	only         bool   // on the condition that there is no such object
	id           string // becomes the object's Identity
	body         []byte
	limit        int64 // of the answer's body
	stream       bool  // the answer's body is not read here
}

type answer struct {
	header http.Header
	body   []byte
	stream *stream
}

// stream is the body of an answer, and what ends its request.
type stream struct {
	io.ReadCloser
	end context.CancelCauseFunc
}

func (s *stream) Close() error {
	defer s.end(nil)
	return s.ReadCloser.Close()
}

// ask sends a request about a key and says what the server said. It bounds the time: nobody else does for all calls.
func (s *Store) ask(ctx context.Context, key string, q request) (a answer, err error) {
	if err := cmp.Or(ctx.Err(), driver.CheckKey(key)); err != nil {
		return a, fmt.Errorf("example: %w", err)
	}
	ctx, end := context.WithCancelCause(ctx)
	late := time.AfterFunc(s.Timeout, func() { end(context.DeadlineExceeded) })
	defer func() {
		if late.Stop(); a.stream == nil {
			end(nil)
		}
	}()
	u := s.URL + (&url.URL{Path: "/" + q.name, RawQuery: q.query.Encode()}).String()
	r, err := http.NewRequestWithContext(ctx, q.method, u, bytes.NewReader(q.body))
	if err != nil {
		return a, fmt.Errorf("example: %w", err)
	}
	r.Header = http.Header{"Authorization": {"Bearer " + s.Token}, "Identity": {q.id}, "Sum": {sum(q.body)}}
	if q.only {
		r.Header.Set("If-None-Match", "*")
	}
	res, err := s.Client.Do(r)
	if err != nil {
		return a, fmt.Errorf("example: %w", err)
	}
	switch a.header = res.Header; {
	case res.StatusCode >= 300:
		err = refused(res.StatusCode, res.Header.Get("Reason"))
	case q.stream:
		a.stream = &stream{res.Body, end} // its Read fails if less comes than was said
		return a, nil
	case q.method == http.MethodGet && res.ContentLength > q.limit:
		err = fmt.Errorf("%d bytes, over the limit of %d", res.ContentLength, q.limit)
	case q.method == http.MethodGet:
		a.body, err = io.ReadAll(res.Body) // an error if less comes than was said
	}
	if err = errors.Join(err, res.Body.Close()); err != nil {
		err = fmt.Errorf("example: %s %q: %w", q.method, q.name, err)
	}
	return a, err
}

// refused says what a status means: no more than the server knows. A 404 without its reason is of something between, and one
// of a bucket that is gone must not look like an object that is not there.
func refused(status int, reason string) error {
	meaning := errors.New("it may pass")
	switch {
	case status == http.StatusNotFound && reason == "NoSuchObject":
		meaning = fs.ErrNotExist
	case status == http.StatusPreconditionFailed && reason == "Exists":
		meaning = fs.ErrExist
	case status == http.StatusUnauthorized, status == http.StatusForbidden, reason == "NoSuchBucket":
		meaning = driver.ErrPermanent // trying again is of no use
	}
	return fmt.Errorf("the server says %d %s: %w", status, reason, meaning)
}

// sum lets the server notice bytes that changed on the way.
func sum(body []byte) string {
	return fmt.Sprintf("%08x", crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
}
