package sinktest

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Front is an HTTP server that stands between a Store and its server. It passes requests on, spoils those that a test
// chooses, and counts them. The Host header stays, so signatures hold; the server must speak plain HTTP, as MinIO and the
// emulators of clouds do. It is safe for concurrent use.
type Front struct {
	URL string // for the Store, in place of the server's

	to     string // URL of the server
	server *httptest.Server
	proxy  *httputil.ReverseProxy
	over   chan struct{} // closed at the end of the test

	mu      sync.Mutex
	spoil   func(n int, r *http.Request) Fault
	shift   time.Duration
	seen    []string
	secrets map[string]bool // credentials that passed
}

// Fault is what becomes of a request. The zero Fault passes it on.
type Fault struct {
	Kind FaultKind

	// Late lets the server carry the request out before its answer is spoiled. A Cut and a Stall are always late, since they
	// need an answer; a Flip never is.
	Late bool

	// Status, Header and Body are those of an Answer.
	Status int
	Header http.Header
	Body   string

	// Then is called when the server has answered and the Store does not know it yet.
	Then func()
}

// FaultKind is a way in which a request or its answer is spoiled.
type FaultKind uint8

const (
	NoFault FaultKind = iota
	Answer            // the Front answers in the server's place, as proxies and balancers do
	HangUp            // the connection ends without an answer
	Silence           // there is no answer, and the connection stays
	Cut               // the connection ends in the middle of the answer's body
	Stall             // the answer stops in the middle of its body, and the connection stays
	Trickle           // the answer's body comes at 20 bytes a second
	Flip              // a bit in the middle of the request's body turns over
)

// NewFront starts a Front for the test. server is the base URL of the real one.
func NewFront(t testing.TB, server string) *Front {
	t.Helper()
	to, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	f := &Front{to: strings.TrimSuffix(server, "/"), over: make(chan struct{}), secrets: map[string]bool{}}
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64}
	f.proxy = &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host },
		Transport:      transport,
		ModifyResponse: f.change,
		// A server that is away hangs up.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	f.server = httptest.NewServer(http.HandlerFunc(f.serve))
	f.URL = f.server.URL
	t.Cleanup(func() {
		close(f.over)
		f.server.CloseClientConnections()
		f.server.Close()
		transport.CloseIdleConnections()
	})
	return f
}

// Spoil makes spoil choose the Fault of each request from now on; nil passes all. n counts from 0. spoil is called from
// several goroutines. It may block, which delays the request, and must leave the request's body alone.
func (f *Front) Spoil(spoil func(n int, r *http.Request) Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.spoil, f.seen = spoil, nil
}

// Shift moves the server's clock, as the Store sees it: what answers have in their headers and, unless they are objects, in
// their bodies.
func (f *Front) Shift(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.shift = d
}

// Requests lists the requests since the last Spoil, as "METHOD /path?query".
func (f *Front) Requests() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string{}, f.seen...)
}

func (f *Front) note(r *http.Request) (int, func(int, *http.Request) Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = append(f.seen, r.Method+" "+r.URL.RequestURI())
	for _, s := range credentials(r) {
		f.secrets[s] = true
	}
	return len(f.seen) - 1, f.spoil
}

// shows reports whether a text has a credential that passed.
func (f *Front) shows(text string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for s := range f.secrets {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}

// credentials are the parts of a request that nobody may see: tokens, passwords and signatures.
func credentials(r *http.Request) (found []string) {
	add := func(s string) {
		if len(s) >= 8 {
			found = append(found, s)
		}
	}
	for _, part := range strings.FieldsFunc(r.Header.Get("Authorization"), func(r rune) bool { return r == ' ' || r == ',' }) {
		switch name, value, _ := strings.Cut(part, "="); {
		case name == "Credential" || name == "SignedHeaders" || strings.HasPrefix(name, "AWS4-"):
		case name == "Signature":
			add(value)
		default:
			_, sum, ok := strings.Cut(part, ":") // account and signature, as Azure has them
			if !ok {
				sum = part
			}
			add(sum)
		}
	}
	q := r.URL.Query()
	for _, name := range []string{"X-Amz-Signature", "X-Goog-Signature", "sig", "access_token"} {
		add(q.Get(name))
	}
	add(r.Header.Get("X-Amz-Security-Token"))
	return found
}

func (f *Front) serve(w http.ResponseWriter, r *http.Request) {
	n, spoil := f.note(r)
	var ft Fault
	if spoil != nil {
		ft = spoil(n, r)
	}
	late := ft.Late || ft.Then != nil || ft.Kind == Cut || ft.Kind == Stall || ft.Kind == Trickle
	if ft.Kind == Silence && !late {
		<-f.over // the end of the client is not to be seen while its body is not read
		return
	}
	if ft.Kind == Flip || late {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		if ft.Kind == Flip && len(body) > 0 {
			body[len(body)/2] ^= 4
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	switch {
	case late:
		answer := httptest.NewRecorder()
		f.proxy.ServeHTTP(answer, r.WithContext(context.WithoutCancel(r.Context())))
		if ft.Then != nil {
			ft.Then()
		}
		f.reply(w, r, &ft, answer)
	case ft.Kind == NoFault || ft.Kind == Flip:
		f.proxy.ServeHTTP(w, r)
	default:
		_, _ = io.Copy(io.Discard, r.Body) // else the Store sees the connection break
		f.reply(w, r, &ft, nil)
	}
}

// reply gives an answer, or what is left of it.
func (f *Front) reply(w http.ResponseWriter, r *http.Request, ft *Fault, answer *httptest.ResponseRecorder) {
	switch ft.Kind {
	case Answer:
		maps.Copy(w.Header(), ft.Header)
		w.WriteHeader(ft.Status)
		_, _ = io.WriteString(w, ft.Body)
		return
	case HangUp:
		panic(http.ErrAbortHandler)
	case Silence:
		f.hold(r)
	default:
	}
	body := answer.Body.Bytes()
	maps.Copy(w.Header(), answer.Header())
	if spoiled := ft.Kind != NoFault; spoiled && len(body) > 0 {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	} else if spoiled && ft.Kind != Trickle {
		panic(http.ErrAbortHandler) // nothing that could be half
	}
	w.WriteHeader(answer.Code)
	switch ft.Kind {
	case Trickle:
		f.trickle(w, r, body)
	case Cut, Stall:
		_, _ = w.Write(body[:len(body)/2])
		_ = http.NewResponseController(w).Flush()
		if ft.Kind == Stall {
			f.hold(r)
		}
		panic(http.ErrAbortHandler)
	default:
		_, _ = w.Write(body)
	}
}

// hold keeps the connection until the Store gives up.
func (f *Front) hold(r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-f.over:
	}
	panic(http.ErrAbortHandler)
}

func (f *Front) trickle(w http.ResponseWriter, r *http.Request, body []byte) {
	pace := time.NewTicker(50 * time.Millisecond)
	defer pace.Stop()
	for _, b := range body {
		select {
		case <-r.Context().Done():
			return
		case <-f.over:
			return
		case <-pace.C:
			_, _ = w.Write([]byte{b})
			_ = http.NewResponseController(w).Flush()
		}
	}
}

var (
	rfc3339  = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)`)
	httpDate = regexp.MustCompile(`[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT`)
)

// change makes an answer one of the Front's: it leads nobody past the Front, and its times are those of the clock that was
// moved.
func (f *Front) change(res *http.Response) error {
	if rest, ok := strings.CutPrefix(res.Header.Get("Location"), f.to); ok {
		res.Header.Set("Location", f.URL+rest)
	}
	f.mu.Lock()
	shift := f.shift
	f.mu.Unlock()
	if shift == 0 {
		return nil
	}
	for _, values := range res.Header {
		for i, v := range values {
			values[i] = string(moved([]byte(v), shift))
		}
	}
	kind := res.Header.Get("Content-Type")
	if res.Request.Method == http.MethodHead || !strings.Contains(kind, "json") && !strings.Contains(kind, "xml") {
		return nil
	}
	body, err := plain(res)
	if err != nil {
		return err
	}
	body = moved(body, shift)
	res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	res.Header.Set("Content-Length", strconv.Itoa(len(body)))
	return nil
}

// plain reads a body and undoes its compression.
func plain(res *http.Response) ([]byte, error) {
	defer res.Body.Close()
	if res.Header.Get("Content-Encoding") != "gzip" {
		return io.ReadAll(res.Body)
	}
	z, err := gzip.NewReader(res.Body)
	if err != nil {
		return nil, err
	}
	res.Header.Del("Content-Encoding")
	return io.ReadAll(z)
}

// moved moves all times in a text.
func moved(text []byte, d time.Duration) []byte {
	for layout, re := range map[string]*regexp.Regexp{time.RFC3339Nano: rfc3339, http.TimeFormat: httpDate} {
		text = re.ReplaceAllFunc(text, func(s []byte) []byte {
			t, err := time.Parse(layout, string(s))
			if err != nil {
				return s
			}
			return []byte(t.Add(d).Format(layout))
		})
	}
	return text
}
