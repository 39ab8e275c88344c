package s3

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// front stands between the Store and a real server. It counts requests, and can spoil chosen ones in ways that a real
// server cannot be asked for.
type front struct {
	*httptest.Server
	mu    sync.Mutex
	seen  []string
	spoil func(n int, op string) fault // n counts the requests of this op from 0
	count map[string]int
	over  chan struct{}

	denied string // an operation
}

// fault is what becomes of a request: Before answers in place of the server, After replaces the server's answer.
type fault struct {
	before, after *answer
	hang          bool // applied, never answered
	stall         bool // not even read
	trickle       bool // answered so slowly that nobody waits for the end
	flip          bool // a bit of the body turns over on the way
}

type answer struct {
	status int
	body   string
}

func newFront(t *testing.T, target string, spoil func(n int, op string) fault) *front {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	f := &front{spoil: spoil, count: map[string]int{}, over: make(chan struct{})}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host // it is signed
	}}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		op := opOf(r)
		f.mu.Lock()
		n := f.count[op]
		f.count[op]++
		f.seen = append(f.seen, op)
		denied := f.denied == op
		f.mu.Unlock()
		var ft fault
		if denied {
			ft.before = &answer{http.StatusForbidden, "<Error><Code>AccessDenied</Code></Error>"}
		} else if f.spoil != nil {
			ft = f.spoil(n, op)
		}
		switch {
		case ft.stall: // the end of the client is not to be seen while its body is not read
			<-f.over
			return
		case ft.trickle:
			rec := httptest.NewRecorder()
			proxy.ServeHTTP(rec, r)
			trickle(w, r, rec)
			return
		case ft.flip:
			body, _ := io.ReadAll(r.Body)
			body[len(body)/2] ^= 4
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		if ft.before != nil {
			w.WriteHeader(ft.before.status)
			_, _ = w.Write([]byte(ft.before.body))
			return
		}
		if ft.after == nil && !ft.hang {
			proxy.ServeHTTP(w, r)
			return
		}
		proxy.ServeHTTP(httptest.NewRecorder(), r)
		if ft.hang {
			<-r.Context().Done()
			return
		}
		w.WriteHeader(ft.after.status)
		_, _ = w.Write([]byte(ft.after.body))
	}))
	t.Cleanup(func() { close(f.over); f.Close() })
	return f
}

// trickle sends an answer byte by byte.
func trickle(w http.ResponseWriter, r *http.Request, answer *httptest.ResponseRecorder) {
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	pace := time.NewTicker(50 * time.Millisecond)
	defer pace.Stop()
	for _, b := range answer.Body.Bytes() {
		select {
		case <-r.Context().Done():
			return
		case <-pace.C:
			_, _ = w.Write([]byte{b})
			_ = http.NewResponseController(w).Flush()
		}
	}
}

// all lists the requests since reset, calls counts those of one kind.
func (f *front) all() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.seen)
}

func (f *front) calls(op string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count[op]
}

// deny refuses an operation from now on.
func (f *front) deny(op string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.denied = op
}

func (f *front) reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen, f.count = nil, map[string]int{}
}

func opOf(r *http.Request) string {
	q := r.URL.Query()
	switch {
	case q.Has("list-type"), q.Has("uploads") && r.Method == http.MethodGet:
		return "List"
	case strings.Count(strings.Trim(r.URL.Path, "/"), "/") == 0 && r.Method != http.MethodPut && !q.Has("delete"):
		return "Bucket"
	case q.Has("uploads") && r.Method == http.MethodPost:
		return "CreateMultipartUpload"
	case q.Has("uploadId") && r.Method == http.MethodPost:
		return "CompleteMultipartUpload"
	case q.Has("uploadId") && r.Method == http.MethodPut:
		return "UploadPart"
	case q.Has("uploadId") && r.Method == http.MethodDelete:
		return "AbortMultipartUpload"
	case r.Method == http.MethodPut && r.Header.Get("X-Amz-Copy-Source") != "":
		return "CopyObject"
	case r.Method == http.MethodPut:
		return "PutObject"
	case r.Method == http.MethodDelete:
		return "DeleteObject"
	case r.Method == http.MethodHead:
		return "HeadObject"
	}
	return "GetObject"
}
