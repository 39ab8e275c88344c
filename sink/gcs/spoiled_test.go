package gcs

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink/driver"
)

// rules are a front's answers to requests that match, in place of the service's: nil passes the request on.
type rules struct {
	do atomic.Pointer[func(w http.ResponseWriter, r *http.Request) bool]
}

func (x *rules) wrap(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f := x.do.Load(); f == nil || !(*f)(w, r) {
			h.ServeHTTP(w, r)
		}
	})
}

func (x *rules) set(f func(w http.ResponseWriter, r *http.Request) bool) { x.do.Store(&f) }

// The service forgets a session in the middle of a long file, as it does a week after it began. That is an error within
// seconds, which another try over another session cures; nothing of the first is ever seen.
func TestASessionThatExpiresDuringTheUploadIsAnErrorThatMayPass(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789abcdef"), 80_000) // 1.28 MB in chunks of 256 KiB
	for _, status := range []int{http.StatusGone, http.StatusNotFound} {
		for _, after := range []int64{0, 2, 4} { // chunks
			x := &rules{}
			s := open(t, x)
			var chunks, refused atomic.Int64
			x.set(func(w http.ResponseWriter, r *http.Request) bool {
				if !r.URL.Query().Has("upload_id") || chunks.Add(1) <= after {
					return false
				}
				refused.Add(1)
				w.WriteHeader(status)
				return true
			})
			begin := time.Now()
			err := publish(t, s, body)
			if err == nil || errors.Is(err, driver.ErrPermanent) || errors.Is(err, driver.ErrStagingLost) || time.Since(begin) > 10*time.Second {
				t.Errorf("%d after %d chunks: %v after %v, want an error that may pass, soon", status, after, err, time.Since(begin))
			}
			if n := refused.Load(); n == 0 || n > 10 {
				t.Errorf("%d after %d chunks: %d requests for a session that is gone", status, after, n)
			}
			for st, err := range s.Staged(t.Context()) {
				t.Errorf("%d after %d chunks: staged: %v, %v", status, after, st, err)
			}
			x.set(func(http.ResponseWriter, *http.Request) bool { return false })
			if err := publish(t, s, body); err != nil {
				t.Errorf("another session: %v", err)
			}
			if got, err := s.Read(t.Context(), "a", int64(len(body))); err != nil || !bytes.Equal(got, body) {
				t.Errorf("read %d bytes, %v, want what was written", len(got), err)
			}
		}
	}
}

// A bit turns over between us and the service, once. Whatever it was in, what is read afterwards is what was written, or
// there is an error and nothing.
func TestABitThatTurnsOverOnTheWayIsNoticed(t *testing.T) {
	long := bytes.Repeat([]byte("0123456789abcdef"), 80_000)
	for name, c := range map[string]struct {
		match string
		body  []byte
		do    func(*testing.T, *Store, []byte) error
	}{
		"control object": {"uploadType=multipart", []byte("0123456789"), func(t *testing.T, s *Store, b []byte) error { return s.Create(t.Context(), "a", b) }},
		"short file":     {"uploadType=multipart", []byte("0123456789"), publish},
		"first chunk":    {"upload_id=", long, publish},
	} {
		t.Run(name, func(t *testing.T) {
			x := &rules{}
			s := open(t, x)
			var flips atomic.Int64
			x.set(func(_ http.ResponseWriter, r *http.Request) bool {
				if !strings.Contains(r.URL.String(), c.match) || flips.Load() > 0 {
					return false
				}
				body, _ := io.ReadAll(r.Body)
				if i := bytes.Index(body, []byte("0123456789")); i >= 0 {
					body[i+4] ^= 4
					flips.Add(1)
				}
				r.Body = io.NopCloser(bytes.NewReader(body))
				return false
			})
			err := c.do(t, s, c.body)
			if flips.Load() != 1 {
				t.Fatalf("%d bits were turned over, want 1", flips.Load())
			}
			got, readErr := s.Read(t.Context(), "a", int64(len(c.body)))
			t.Logf("%v; then %d bytes, %v", err, len(got), readErr)
			if whole := readErr == nil && bytes.Equal(got, c.body); whole != (err == nil) || !whole && readErr == nil {
				t.Errorf("got %v, and reads %d bytes, which are whole: %v", err, len(got), whole)
			}
		})
	}
}
