// Package gcsfront stands in front of an emulator of Google Cloud Storage and adds the rules that it lacks: it checks the
// conditions of deletes, copies and metadata updates, has objects.move, and answers a finished upload session again as it
// did before. Its reading of the rules is ours, from the published reference: it is not the service.
package gcsfront

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync"
)

// Front is an http.Handler.
type Front struct {
	to    *url.URL
	proxy *httputil.ReverseProxy

	// One lock makes a check and the change that it guards one step, as they are in the service.
	mu       sync.Mutex
	finished map[string]reply // by upload session
}

type reply struct {
	status int
	header http.Header
	body   []byte
}

// New makes a front for the emulator at that URL.
func New(emulator string) (*Front, error) {
	to, err := url.Parse(emulator)
	if err != nil {
		return nil, err
	}
	return &Front{to: to, finished: map[string]reply{}, proxy: &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host },
	}}, nil
}

var (
	objectPath = regexp.MustCompile(`^/storage/v1/b/([^/]+)/o/([^/]+)$`)
	movePath   = regexp.MustCompile(`^/storage/v1/b/([^/]+)/o/([^/]+)/moveTo/o/([^/]+)$`)
	copyPath   = regexp.MustCompile(`^/storage/v1/b/([^/]+)/o/([^/]+)/(?:rewriteTo|copyTo)/b/([^/]+)/o/([^/]+)$`)
)

// ServeHTTP passes requests on, one change at a time.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		f.proxy.ServeHTTP(w, r)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	path, q := r.URL.EscapedPath(), r.URL.Query()
	if m := movePath.FindStringSubmatch(path); m != nil {
		f.move(w, r, m[1], m[2], m[3])
		return
	}
	if m := copyPath.FindStringSubmatch(path); m != nil {
		if !f.holds(w, r, m[1], m[2], q.Get("ifSourceGenerationMatch")) || !f.holds(w, r, m[3], m[4], q.Get("ifGenerationMatch")) {
			return
		}
	}
	if m := objectPath.FindStringSubmatch(path); m != nil && !f.holds(w, r, m[1], m[2], q.Get("ifGenerationMatch")) {
		return
	}
	if id := q.Get("upload_id"); id != "" {
		f.session(w, r, id)
		return
	}
	f.proxy.ServeHTTP(w, r)
}

// move checks both sides, copies and deletes.
func (f *Front) move(w http.ResponseWriter, r *http.Request, bucket, from, to string) {
	q := r.URL.Query()
	if !f.holds(w, r, bucket, from, q.Get("ifSourceGenerationMatch")) || !f.holds(w, r, bucket, to, q.Get("ifGenerationMatch")) {
		return
	}
	object := "/storage/v1/b/" + bucket + "/o/"
	if got := f.ask(r, http.MethodPost, object+from+"/rewriteTo/b/"+bucket+"/o/"+to); got.status != http.StatusOK {
		got.write(w)
		return
	}
	if got := f.ask(r, http.MethodDelete, object+from); got.status >= 300 {
		got.write(w)
		return
	}
	f.ask(r, http.MethodGet, object+to).write(w)
}

// holds checks a condition on an object's generation and answers the request if it fails. "0" means that there is none.
func (f *Front) holds(w http.ResponseWriter, r *http.Request, bucket, object, want string) bool {
	if want == "" {
		return true
	}
	got := f.ask(r, http.MethodGet, "/storage/v1/b/"+bucket+"/o/"+object)
	var attrs struct{ Generation string }
	switch {
	case got.status == http.StatusNotFound:
		attrs.Generation = "0"
	case got.status != http.StatusOK || json.Unmarshal(got.body, &attrs) != nil:
		got.write(w)
		return false
	}
	if attrs.Generation == want {
		return true
	}
	status := http.StatusPreconditionFailed
	if attrs.Generation == "0" {
		status = http.StatusNotFound
	}
	fault(w, status, fmt.Sprintf("the generation is %s, not %s", attrs.Generation, want))
	return false
}

// session answers the repeat of an upload's last request as the first time.
func (f *Front) session(w http.ResponseWriter, r *http.Request, id string) {
	if done, ok := f.finished[id]; ok && r.Method == http.MethodPut {
		done.write(w)
		return
	}
	rec := httptest.NewRecorder()
	f.proxy.ServeHTTP(rec, r)
	got := reply{rec.Code, rec.Header(), rec.Body.Bytes()}
	if got.status == http.StatusOK && r.Method == http.MethodPut {
		f.finished[id] = got
	}
	got.write(w)
}

func (f *Front) ask(r *http.Request, method, path string) reply {
	req, err := http.NewRequestWithContext(r.Context(), method, strings.TrimSuffix(f.to.String(), "/")+path, nil)
	if err != nil {
		return reply{status: http.StatusBadGateway, body: []byte(err.Error())}
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return reply{status: http.StatusBadGateway, body: []byte(err.Error())}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return reply{status: http.StatusBadGateway, body: []byte(err.Error())}
	}
	return reply{res.StatusCode, res.Header, body}
}

func (p reply) write(w http.ResponseWriter) {
	for k, v := range p.header {
		w.Header()[k] = v
	}
	w.Header().Del("Content-Length")
	w.WriteHeader(p.status)
	_, _ = io.Copy(w, bytes.NewReader(p.body)) // the client is gone, or reads it
}

func fault(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"code": status, "message": message}})
}
