package azure

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/onceflow/onceflow/internal/servers"
	"github.com/onceflow/onceflow/sink/sinktest"
)

// front is a sinktest.Front before Azurite that knows the operations of the service, counts them, and can spoil chosen ones.
type front struct {
	*sinktest.Front

	mu    sync.Mutex
	spoil func(n int, op string) sinktest.Fault // n counts the requests of this op from 0
	seen  []string
	n     map[string]int
}

func newFront(t *testing.T) *front {
	t.Helper()
	to, err := url.Parse(shared.Azurite(t).Endpoint())
	if err != nil {
		t.Fatal(err)
	}
	f := &front{Front: sinktest.NewFront(t, to.Scheme+"://"+to.Host), n: map[string]int{}}
	f.Spoil(func(_ int, r *http.Request) sinktest.Fault {
		op := opOf(r)
		f.mu.Lock()
		n := f.n[op]
		f.n[op]++
		f.seen = append(f.seen, op)
		spoil := f.spoil
		f.mu.Unlock()
		if spoil == nil {
			return sinktest.Fault{}
		}
		return spoil(n, op)
	})
	return f
}

// answer is what the service says when it refuses.
func answer(status int, code string) sinktest.Fault {
	return sinktest.Fault{
		Kind: sinktest.Answer, Status: status, Header: http.Header{"X-Ms-Error-Code": {code}},
		Body: "<Error><Code>" + code + "</Code><Message>words of the service\nRequestId:1</Message></Error>",
	}
}

// lateAnswer says so of a request that was carried out.
func lateAnswer(status int, code string) sinktest.Fault {
	ft := answer(status, code)
	ft.Late = true
	return ft
}

// cut is the end of the connection when the request was carried out and not answered.
var cut = sinktest.Fault{Kind: sinktest.HangUp, Late: true}

// all lists the requests since reset, calls counts those of one kind.
func (f *front) all() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.seen)
}

func (f *front) calls(op string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n[op]
}

// reset forgets the requests so far, and spoils those to come.
func (f *front) reset(spoil func(n int, op string) sinktest.Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen, f.n, f.spoil = nil, map[string]int{}, spoil
}

func opOf(r *http.Request) string {
	q := r.URL.Query()
	switch {
	case q.Get("comp") == "list":
		return "List"
	case q.Get("comp") == "properties":
		return "AccountInfo"
	case q.Get("comp") == "block" && r.Header.Get("x-ms-copy-source") != "":
		return "PutBlockFromURL"
	case q.Get("comp") == "block":
		return "PutBlock"
	case q.Get("comp") == "blocklist" && r.Method == http.MethodGet:
		return "GetBlockList"
	case q.Get("comp") == "blocklist":
		return "PutBlockList"
	case r.Header.Get("x-ms-copy-source") != "":
		return "Copy"
	case r.Method == http.MethodPut:
		return "PutBlob"
	case r.Method == http.MethodDelete:
		return "Delete"
	case r.Method == http.MethodHead:
		return "Look"
	}
	return "Get"
}

// key signs with the account's key.
func key(t *testing.T) *container.SharedKeyCredential {
	t.Helper()
	k, err := container.NewSharedKeyCredential(servers.AzuriteAccount, servers.AzuriteKey)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// inContainer makes a container and a store that reaches it through a front, which spoils nothing before the store is open.
func inContainer(t *testing.T, o Options, spoil func(n int, op string) sinktest.Fault) (*Store, *front) {
	t.Helper()
	f := newFront(t)
	s := open(t, newContainer(t, f.URL+"/"+servers.AzuriteAccount), &o)
	f.reset(spoil)
	return s, f
}

// first spoils the first request of an operation.
func first(op string, ft sinktest.Fault) func(int, string) sinktest.Fault {
	return func(n int, got string) sinktest.Fault {
		if got == op && n == 0 {
			return ft
		}
		return sinktest.Fault{}
	}
}

// newContainer makes a container and returns its URL.
func newContainer(t *testing.T, endpoint string) string {
	t.Helper()
	at := endpoint + "/" + randomName()
	c, err := container.NewClientWithSharedKeyCredential(at, key(t), nil)
	if err == nil {
		_, err = c.Create(context.Background(), nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// open opens a store there, with the account's key unless the options have other credentials.
func open(t *testing.T, containerURL string, o *Options) *Store {
	t.Helper()
	with := *o
	if with.Token == nil && !strings.Contains(containerURL, "?") {
		with.SharedKey = key(t)
	}
	s, err := Open(t.Context(), containerURL, &with)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
