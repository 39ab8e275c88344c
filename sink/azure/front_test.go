package azure

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/onceflow/onceflow/internal/servers"
)

// front stands between a Store and Azurite. It counts requests, and can spoil chosen ones.
type front struct {
	*httptest.Server
	over chan struct{}

	mu    sync.Mutex
	spoil func(n int, op string) fault // n counts the requests of this op from 0
	seen  []string
	n     map[string]int
}

// fault is what becomes of a request. The zero value passes it on.
type fault struct {
	status int    // answered in place of Azurite
	code   string // with status
	after  bool   // with status: Azurite did it all the same
	hang   bool   // done and never answered
	stall  bool   // not even read
	cut    bool   // done, and the connection ends before the answer
	flip   bool   // a bit of the body turns over on the way
	kill   func() // called first. Then nothing is done, or with after all of it
}

func newFront(t *testing.T) *front {
	t.Helper()
	to, err := url.Parse(shared.Azurite(t).Endpoint())
	if err != nil {
		t.Fatal(err)
	}
	to.Path = ""
	f := &front{n: map[string]int{}, over: make(chan struct{})}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }, // the client has gone
	}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch ft := f.next(opOf(r)); {
		case ft.kill != nil:
			body, _ := io.ReadAll(r.Body)
			ft.kill()
			if ft.after {
				r = r.WithContext(context.WithoutCancel(r.Context()))
				r.Body = io.NopCloser(bytes.NewReader(body))
				proxy.ServeHTTP(httptest.NewRecorder(), r)
			}
			panic(http.ErrAbortHandler)
		case ft.stall: // the end of the client is not to be seen while its body is not read
			<-f.over
		case ft.hang:
			proxy.ServeHTTP(httptest.NewRecorder(), r)
			<-r.Context().Done()
		case ft.cut:
			proxy.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		case ft.status != 0:
			if ft.after {
				proxy.ServeHTTP(httptest.NewRecorder(), r)
			}
			w.Header().Set("x-ms-error-code", ft.code)
			w.WriteHeader(ft.status)
			_, _ = io.WriteString(w, "<Error><Code>"+ft.code+"</Code><Message>words of the service\nRequestId:1</Message></Error>")
		case ft.flip:
			body, _ := io.ReadAll(r.Body)
			body[len(body)/2] ^= 4
			r.Body = io.NopCloser(bytes.NewReader(body))
			proxy.ServeHTTP(w, r)
		default:
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(func() { close(f.over); f.CloseClientConnections(); f.Close() })
	return f
}

func (f *front) next(op string) fault {
	f.mu.Lock()
	n := f.n[op]
	f.n[op]++
	f.seen = append(f.seen, op)
	spoil := f.spoil
	f.mu.Unlock()
	if spoil == nil {
		return fault{}
	}
	return spoil(n, op)
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
	return f.n[op]
}

// reset forgets the requests so far, and spoils those to come.
func (f *front) reset(spoil func(n int, op string) fault) {
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
func inContainer(t *testing.T, o Options, spoil func(n int, op string) fault) (*Store, *front) {
	t.Helper()
	f := newFront(t)
	s := open(t, newContainer(t, f.URL+"/"+servers.AzuriteAccount), &o)
	f.reset(spoil)
	return s, f
}

// first spoils the first request of an operation.
func first(op string, ft fault) func(int, string) fault {
	return func(n int, got string) fault {
		if got == op && n == 0 {
			return ft
		}
		return fault{}
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
