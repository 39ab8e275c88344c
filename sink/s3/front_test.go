package s3

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/onceflow/onceflow/sink/sinktest"
)

// front is a sinktest.Front that knows the operations of S3, counts them, and can spoil chosen ones.
type front struct {
	*sinktest.Front

	mu    sync.Mutex
	seen  []string
	count map[string]int

	denied string // an operation
}

// newFront lets spoil choose what becomes of a request. n counts the requests of op from 0.
func newFront(t *testing.T, target string, spoil func(n int, op string) sinktest.Fault) *front {
	t.Helper()
	f := &front{Front: sinktest.NewFront(t, target)}
	f.reset()
	f.Spoil(func(_ int, r *http.Request) sinktest.Fault {
		op := opOf(r)
		f.mu.Lock()
		n := f.count[op]
		f.count[op]++
		f.seen = append(f.seen, op)
		denied := f.denied == op
		f.mu.Unlock()
		switch {
		case denied:
			return answer(http.StatusForbidden, "<Error><Code>AccessDenied</Code></Error>")
		case spoil == nil:
			return sinktest.Fault{}
		}
		return spoil(n, op)
	})
	return f
}

// answer comes in place of the server's, which does not get the request.
func answer(status int, body string) sinktest.Fault {
	return sinktest.Fault{Kind: sinktest.Answer, Status: status, Body: body}
}

// lateAnswer comes in place of the server's, which has carried the request out.
func lateAnswer(status int, body string) sinktest.Fault {
	return sinktest.Fault{Kind: sinktest.Answer, Status: status, Body: body, Late: true}
}

// unanswered is a request that is carried out.
var unanswered = sinktest.Fault{Kind: sinktest.Silence, Late: true}

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
	case q.Has("delete"):
		return "DeleteObjects"
	case r.Method == http.MethodDelete:
		return "DeleteObject"
	case r.Method == http.MethodHead:
		return "HeadObject"
	}
	return "GetObject"
}
