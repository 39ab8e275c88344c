package gcs

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/storage"

	"github.com/onceflow/onceflow/internal/servers/servertest"
	"github.com/onceflow/onceflow/sink/driver"
)

// spoiler drops the reply of the next change that matches: it is applied, and answered with a closed connection or 503.
type spoiler struct {
	match  atomic.Pointer[string] // of "METHOD path?query"
	status int                    // 0 closes the connection
	before bool                   // not applied
	hang   bool                   // no answer at all, until the client gives up
	hits   atomic.Int64
}

func (s *spoiler) wrap(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m := s.match.Load()
		if m == nil || !strings.Contains(r.Method+" "+r.URL.String(), *m) || !s.match.CompareAndSwap(m, nil) {
			h.ServeHTTP(w, r)
			return
		}
		s.hits.Add(1)
		if s.before {
			_, _ = io.Copy(io.Discard, r.Body)
		} else {
			h.ServeHTTP(httptest.NewRecorder(), r)
		}
		if s.hang {
			<-r.Context().Done()
		}
		if s.status == 0 {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(s.status)
	})
}

func (s *spoiler) arm(match string) { s.match.Store(&match) }

func open(t *testing.T, sp interface {
	wrap(http.Handler) http.Handler
}) *Store {
	t.Helper()
	g := servertest.GCS(t, sp.wrap)
	t.Setenv("STORAGE_EMULATOR_HOST", strings.TrimPrefix(g.Endpoint(), "http://"))
	client, err := storage.NewClient(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	name := "bucket-" + strings.ToLower(rand.Text())
	if err := client.Bucket(name).Create(t.Context(), "project", nil); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), name, &Options{Client: client, Prefix: "team/", Timeout: 5 * time.Second, ChunkBytes: 256 << 10})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func stage(t *testing.T, s *Store, key string, body []byte) []byte {
	t.Helper()
	u, err := s.Stage(t.Context(), key, "own", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Write(body); err != nil {
		t.Fatal(err)
	}
	ref, err := u.Close(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func TestCreateKnowsItsOwnObjectAfterALostReply(t *testing.T) {
	for name, sp := range map[string]*spoiler{
		"connection closed": {}, "503 after": {status: 503}, "503 before": {status: 503, before: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, sp)
			sp.arm("uploadType=multipart")
			if err := s.Create(t.Context(), "a", []byte("mine")); err != nil {
				t.Errorf("create: %v, want success", err)
			}
			if sp.hits.Load() != 1 {
				t.Errorf("%d answers were spoiled, want 1", sp.hits.Load())
			}
			if err := s.Create(t.Context(), "a", []byte("other")); !errors.Is(err, fs.ErrExist) {
				t.Errorf("second create with other bytes: %v, want fs.ErrExist", err)
			}
			if got, err := s.Read(t.Context(), "a", 100); string(got) != "mine" {
				t.Errorf("read %q, %v, want the first bytes", got, err)
			}
			if _, err := s.Read(t.Context(), "b", 100); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("read of nothing: %v, want fs.ErrNotExist", err)
			}
		})
	}
}

func TestPublishLooksAtTheObjectWhenTheAnswerIsUnclear(t *testing.T) {
	for name, sp := range map[string]*spoiler{
		"connection closed": {}, "503 after": {status: 503}, "503 before": {status: 503, before: true},
		"404 after": {status: 404}, "412 after": {status: 412},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, sp)
			ref := stage(t, s, "views/own-1-1", []byte("rows"))
			sp.arm("/moveTo/")
			for range 2 {
				if err := s.Publish(t.Context(), ref); err != nil {
					t.Fatalf("publish: %v, want success", err)
				}
			}
			if sp.hits.Load() != 1 {
				t.Errorf("%d answers were spoiled, want 1", sp.hits.Load())
			}
			if got, err := s.Read(t.Context(), "views/own-1-1", 100); string(got) != "rows" {
				t.Errorf("read %q, %v", got, err)
			}
			for st, err := range s.Staged(t.Context()) {
				t.Errorf("still staged: %v, %v", st, err)
			}
		})
	}
}

// Several chunks, and the reply to the last one is lost: the session answers again, or the object tells.
func TestAStagedFileIsWholeWhenTheLastReplyIsLost(t *testing.T) {
	sp := &spoiler{}
	s := open(t, sp)
	body := bytes.Repeat([]byte("0123456789abcdef"), 50_000) // 800 KB in chunks of 256 KiB
	u, err := s.Stage(t.Context(), "own-1-1", "own", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Write(body); err != nil {
		t.Fatal(err)
	}
	sp.arm("upload_id=")
	ref, err := u.Close(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Publish(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Read(t.Context(), "own-1-1", int64(len(body))); err != nil || !bytes.Equal(got, body) {
		t.Errorf("read %d bytes, %v, want what was written", len(got), err)
	}
}

func TestAnAbortedUploadLeavesNothing(t *testing.T) {
	s := open(t, &spoiler{})
	u, err := s.Stage(t.Context(), "own-1-1", "own", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Write(make([]byte, 600<<10)); err != nil {
		t.Fatal(err)
	}
	if err := u.Abort(t.Context()); err != nil {
		t.Errorf("abort: %v", err)
	}
	for st, err := range s.Staged(t.Context()) {
		t.Errorf("still staged: %v, %v", st, err)
	}
}

func TestPublishAfterDiscardSaysThatTheFileIsLost(t *testing.T) {
	s := open(t, &spoiler{})
	ref := stage(t, s, "own-1-1", []byte("rows"))
	var found []driver.Staging
	for st, err := range s.Staged(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, st)
	}
	if len(found) != 1 || found[0].Owner != "own" || found[0].Key != "own-1-1" || found[0].Bytes != 4 {
		t.Fatalf("staged: %+v, want the one file with its owner", found)
	}
	for range 2 {
		if err := s.Discard(t.Context(), found[0]); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Publish(t.Context(), ref); !errors.Is(err, driver.ErrStagingLost) {
		t.Errorf("publish: %v, want ErrStagingLost", err)
	}
}

func TestListLeavesStagingOutAndKeepsOrder(t *testing.T) {
	s := open(t, &spoiler{})
	for _, key := range []string{"b", "a/2", "a/1", "a-b"} {
		if err := s.Create(t.Context(), key, nil); err != nil {
			t.Fatal(err)
		}
	}
	stage(t, s, "a/own-1-1", []byte("rows"))
	var got []string
	for o, err := range s.List(t.Context(), "a", "a-b") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, o.Key)
	}
	if strings.Join(got, " ") != "a/1 a/2" {
		t.Errorf("listed %v, want a/1 a/2", got)
	}
}
