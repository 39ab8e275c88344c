package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink/audit"
	sinkfile "github.com/onceflow/onceflow/sink/file"
)

const goodLine = `{"id":"e1","at":"2026-05-01T12:00:00Z"}`

// opened opens an endpoint on a folder.
func opened(t *testing.T, registry audit.Registry, opts *audit.BatcherOptions) (e *endpoint, dir string) {
	t.Helper()
	dir = t.TempDir()
	store, err := sinkfile.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	folder, err := audit.OpenFolder(t.Context(), store, source)
	if err != nil {
		t.Fatal(err)
	}
	if registry == nil {
		registry = audit.NewObjects(folder)
	}
	to, err := openTopic(filepath.Join(dir, "topic"), "endpoint")
	if err != nil {
		t.Fatal(err)
	}
	b, err := audit.OpenBatcher(t.Context(), folder, registry, to, opts)
	if err != nil {
		t.Fatal(err)
	}
	return &endpoint{batcher: b, lines: 10, requests: make(chan struct{}, 4)}, dir
}

func post(e *endpoint, text string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	e.take(w, httptest.NewRequest(http.MethodPost, "/events", strings.NewReader(text)))
	return w
}

// What no job could read is not accepted, and the answer says what is wrong with which line.
func TestWhatIsNoEventIsRefused(t *testing.T) {
	e, _ := opened(t, nil, &audit.BatcherOptions{Age: time.Millisecond})
	for name, c := range map[string]struct {
		text   string
		status int
		says   string
	}{
		"one":                      {goodLine, 200, `"Lines":1`},
		"two, with an empty one":   {goodLine + "\r\n\n" + goodLine + "\n", 200, `"Lines":2`},
		"nothing":                  {"\n\n", 400, "no events"},
		"no JSON":                  {goodLine + "\n{", 400, "line 2"},
		"no ID":                    {`{"at":"2026-05-01T12:00:00Z"}`, 400, "line 1"},
		"no time":                  {`{"id":"e1"}`, 400, "line 1"},
		"a long line":              {`{"id":"` + strings.Repeat("x", mostLine) + `"}`, 413, "line 1"},
		"too many lines":           {strings.Repeat(goodLine+"\n", 11), 413, "more than 10"},
		"a body that is too large": {strings.Repeat("x", mostBody+1), 413, "too large"},
	} {
		if w := post(e, c.text); w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s: %d %s, want %d with %q", name, w.Code, w.Body, c.status, c.says)
		}
	}
	if s := e.batcher.Stats(); s.Lines != 3 {
		t.Errorf("%d lines are accepted, want 3", s.Lines)
	}
}

// Beyond what it can hold the endpoint tells clients to come later.
func TestAFullEndpointSaysSo(t *testing.T) {
	e, _ := opened(t, nil, &audit.BatcherOptions{Memory: 1})
	if w := post(e, goodLine); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
		t.Errorf("events beyond the memory: %d", w.Code)
	}
	for range cap(e.requests) {
		e.requests <- struct{}{}
	}
	if w := post(e, goodLine); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
		t.Errorf("requests beyond the limit: %d", w.Code)
	}
}

// refusing is a registry that is away.
type refusing struct{ audit.Registry }

func (refusing) Register(context.Context, audit.Registration) error { return fs.ErrPermission }

// A client is not told that its events are accepted before they are registered.
func TestWhatIsNotRegisteredIsNotAccepted(t *testing.T) {
	e, _ := opened(t, refusing{}, &audit.BatcherOptions{Age: time.Millisecond})
	if w := post(e, goodLine); w.Code != http.StatusServiceUnavailable {
		t.Errorf("got %d", w.Code)
	}
}

// An endpoint that is told to end answers what is under way, and sends what is accepted.
func TestAnEndpointEndsGracefully(t *testing.T) {
	o := &options{role: "endpoint", out: t.TempDir(), listen: "127.0.0.1:0", batch: 10, age: 300 * time.Millisecond, deadline: 30 * time.Second}
	p, err := openParts(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	e, err := openEndpoint(t.Context(), o, p)
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	served, answered := make(chan error, 1), make(chan string, 1)
	go func() { served <- e.serve(ctx) }()
	go func() {
		resp, err := http.Post("http://"+e.addr()+"/events", "", strings.NewReader(goodLine))
		if err != nil {
			answered <- err.Error()
			return
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		answered <- fmt.Sprint(resp.StatusCode, " ", string(text))
	}()
	for len(e.requests) == 0 {
		runtime.Gosched()
	}
	end()
	text := <-answered
	var receipt audit.Receipt
	if err := json.Unmarshal([]byte(strings.TrimPrefix(text, "200 ")), &receipt); err != nil || receipt.Lines != 1 {
		t.Errorf("the client got %q", text)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	kept, err := p.folder.Lines(t.Context(), receipt.ID)
	if err != nil || len(kept) != 1 || !bytes.Equal(kept[0].Event.Value, []byte(goodLine)) {
		t.Errorf("kept are %v, %v", kept, err)
	}
	if n := count(t, p.store, "_audit/"+source+"/registry/"); n != 1 || linesIn(t, filepath.Join(o.out, "topic")) != 1 {
		t.Errorf("%d batches are registered, and the topic has %d lines", n, linesIn(t, filepath.Join(o.out, "topic")))
	}
}
