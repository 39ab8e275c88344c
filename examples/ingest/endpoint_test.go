package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink/audit"
	sinkfile "github.com/onceflow/onceflow/sink/file"
	"github.com/onceflow/onceflow/stream"
)

// goodLine is one whose time an endpoint takes.
var goodLine = lineAt(time.Now())

func lineAt(at time.Time) string {
	return `{"id":"e1","at":"` + at.UTC().Format(time.RFC3339Nano) + `"}`
}

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
	return &endpoint{batcher: b, lines: 10, bodies: newBudget(64 << 20), bodyTime: bodyTime}, dir
}

func post(e *endpoint, text string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	e.take(w, httptest.NewRequest(http.MethodPost, "/events", strings.NewReader(text)))
	return w
}

// What no job could read is not accepted, and the answer says what is wrong with which line.
func TestWhatIsNoEventIsRefused(t *testing.T) {
	e, _ := opened(t, nil, &audit.BatcherOptions{Age: time.Millisecond})
	now := time.Now()
	for name, c := range map[string]struct {
		text   string
		status int
		says   string
	}{
		"one":                      {goodLine, 200, `"Lines":1`},
		"two, with an empty one":   {goodLine + "\r\n\n" + goodLine + "\n", 200, `"Lines":2`},
		"text":                     {`{"id":"ä€𝄞\ud834\udd1e","at":"` + now.Format(time.RFC3339) + `"}`, 200, `"Lines":1`},
		"nothing":                  {"\n\n", 400, "no events"},
		"no JSON":                  {goodLine + "\n{", 400, "line 2"},
		"no ID":                    {`{"at":"2026-05-01T12:00:00Z"}`, 400, "line 1, at 2026-05-01T12:00:00Z: an event needs"},
		"no time":                  {`{"id":"e7"}`, 400, `line 1, id "e7": an event needs`},
		"a long line":              {`{"id":"` + strings.Repeat("x", mostLine) + `"}`, 413, "at most 65536"},
		"too many lines":           {strings.Repeat(goodLine+"\n", 11), 413, "more than 10 lines"},
		"a body that is too large": {strings.Repeat("x", mostBody+1), 413, "more than 4194304 bytes"},
		"an ID of other bytes":     {goodLine + "\n" + `{"id":"` + "\xff" + `","at":"2026-05-01T12:00:00Z"}`, 400, "line 2: it is not in UTF-8"},
		"a value of other bytes":   {`{"id":"e1","at":"2026-05-01T12:00:00Z","page":"` + "\xc3" + `"}`, 400, "line 1: it is not in UTF-8"},
		"half a pair":              {`{"id":"\ud800","at":"2026-05-01T12:00:00Z"}`, 400, "line 1"},
		"from tomorrow":            {goodLine + "\n" + lineAt(now.Add(24*time.Hour)), 400, `line 2, id "e1", at ` + now.Add(24*time.Hour).UTC().Format(time.RFC3339Nano) + ": at is more than 50m0s after"},
		"of long ago":              {lineAt(now.AddDate(-2, 0, 0)), 400, "line 1, id \"e1\""},
		"many wrong lines":         {strings.Repeat("{\n"+goodLine+"\n", 3), 400, "line 3: unexpected end of JSON input\nline 5"},
	} {
		if w := post(e, c.text); w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s: %d %s, want %d with %q", name, w.Code, w.Body, c.status, c.says)
		}
	}
	if s := e.batcher.Stats(); s.Lines != 4 {
		t.Errorf("%d lines are accepted, want 4", s.Lines)
	}
	if n := e.bodies.used.Load(); n != 0 {
		t.Errorf("bodies that are over have %d bytes", n)
	}
}

// Two IDs whose bytes are no text both became U+FFFD once, and dedup dropped one of the events.
func TestAJobTakesNoIDWhoseBytesAreNoText(t *testing.T) {
	for _, id := range []string{"\xff", "\xfe", `\ud800`, `\udc00x`} {
		if e, err := decode(&stream.Record{Value: []byte(`{"id":"` + id + `","at":"2026-05-01T12:00:00Z"}`)}); err == nil {
			t.Errorf("the ID %q is taken for %q", id, e.ID)
		}
	}
}

// A job makes a dead letter of no time that an endpoint has accepted, whenever the line comes: what was accepted was buried once.
func TestAJobTakesTheTimesThatAnEndpointAccepts(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		at     time.Time
		accept bool
	}{
		{now.Add(mostAhead), true}, {now.Add(mostAhead + time.Second), false},
		{now.Add(-mostBehind), true}, {now.Add(-mostBehind - time.Second), false},
	} {
		e := event{At: c.at}
		if err := e.check(now); (err == nil) != c.accept {
			t.Errorf("%s: %v", c.at, err)
		}
	}
	o := jobOptions(&options{})
	if first, last := now.Add(-clocksDiffer), now.Add(clocksDiffer+onItsWay); mostAhead > o.Future-now.Sub(first) || mostBehind > o.Past-last.Sub(now) {
		t.Errorf("a job takes from %s before to %s after its clock; an endpoint from %s before to %s after", o.Past, o.Future, mostBehind, mostAhead)
	}
}

// slow is a body whose client stops in the middle.
type slow struct {
	text    []byte
	stopped func()
	release chan struct{}
}

func (s *slow) Read(p []byte) (int, error) {
	if len(s.text) > 0 {
		n := copy(p, s.text)
		s.text = s.text[n:]
		return n, nil
	}
	s.stopped()
	<-s.release
	return 0, io.ErrUnexpectedEOF
}

// Bodies that clients do not end once took as much memory as clients wanted. Now they take what the budget has; other clients are told
// to come later.
func TestMemoryIsBoundedWhateverClientsDo(t *testing.T) {
	const most = 32 << 20
	e, _ := opened(t, nil, &audit.BatcherOptions{Age: time.Millisecond})
	e.bodies = newBudget(most)
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	text := bytes.Repeat([]byte("x"), mostBody-1)
	before := heap()
	release := make(chan struct{})
	var group sync.WaitGroup
	var stopped, later atomic.Int64
	settled := make(chan struct{}, 128)
	for range 128 {
		group.Go(func() {
			w := httptest.NewRecorder()
			e.take(w, httptest.NewRequest(http.MethodPost, "/events", &slow{text, func() { stopped.Add(1); settled <- struct{}{} }, release}))
			switch w.Code {
			case http.StatusTooManyRequests:
				if w.Header().Get("Retry-After") == "" {
					t.Error("no Retry-After")
				}
				later.Add(1)
				settled <- struct{}{}
			case http.StatusBadRequest: // it ended early
			default:
				t.Errorf("got %d %s", w.Code, w.Body)
			}
		})
	}
	for range 128 {
		<-settled
	}
	grown := heap() - before
	t.Logf("%d bodies have %d KiB, %d were told to come later", stopped.Load(), grown>>10, later.Load())
	if used := e.bodies.used.Load(); grown > most+(4<<20) || used > most || stopped.Load() < 4 || later.Load() == 0 {
		t.Errorf("%d bodies of 4 MiB have %d bytes and say %d, at most %d", stopped.Load(), grown, used, most)
	}
	close(release)
	group.Wait()
	if used := e.bodies.used.Load(); used != 0 {
		t.Errorf("bodies that are over have %d bytes", used)
	}
	if w := post(e, goodLine); w.Code != http.StatusOK {
		t.Errorf("once there is room: %d %s", w.Code, w.Body)
	}
}

// What a client says will come has no memory before it does: that of 1,024 clients had 4 GiB.
func TestBodiesThatDoNotBeginHaveNoMemory(t *testing.T) {
	e, _ := opened(t, nil, &audit.BatcherOptions{Age: time.Millisecond})
	e.bodies = newBudget(1024 * (keptBytes + 4<<10))
	release, settled := make(chan struct{}), make(chan struct{}, 1024)
	var group sync.WaitGroup
	for range 1024 {
		group.Go(func() {
			r := httptest.NewRequest(http.MethodPost, "/events", &slow{nil, func() { settled <- struct{}{} }, release})
			r.ContentLength = mostBody
			w := httptest.NewRecorder()
			if e.take(w, r); w.Code != http.StatusBadRequest { // it ended early
				t.Errorf("got %d %s", w.Code, w.Body)
				settled <- struct{}{}
			}
		})
	}
	for range 1024 {
		<-settled
	}
	close(release)
	group.Wait()
}

// Lines and keys take memory, too.
func TestEventsCountInTheBudget(t *testing.T) {
	e, _ := opened(t, nil, &audit.BatcherOptions{Age: time.Millisecond})
	e.lines = 1000
	text := strings.Repeat(goodLine+"\n", 1000)
	e.bodies = newBudget(128 << 10) // the body alone fits
	if w := post(e, text); w.Code != http.StatusTooManyRequests {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if used := e.bodies.used.Load(); used != 0 {
		t.Errorf("a body that is over has %d bytes", used)
	}
}

// served serves an endpoint and returns its address.
func served(t *testing.T, e *endpoint) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e.listener = limit(l, 8)
	ctx, end := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- e.serve(ctx) }()
	t.Cleanup(func() {
		end()
		if err := <-over; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// said sends the beginning of a request, and returns the status and text of the answer.
func said(t *testing.T, addr, text string) (int, string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}

// A body that does not come in time got 400 once, as if the events were wrong. One that is too large is told the limit, whether its
// client says its length before or not.
func TestABodyThatIsSlowOrTooLargeIsToldSo(t *testing.T) {
	e, _ := opened(t, nil, &audit.BatcherOptions{Age: time.Millisecond})
	fast := served(t, e)
	e, _ = opened(t, nil, &audit.BatcherOptions{Age: time.Millisecond})
	e.bodyTime = 100 * time.Millisecond
	slow := served(t, e)
	for _, c := range []struct {
		addr   string
		text   string
		status int
		says   string
	}{
		{slow, "POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{", 408, "did not come within 100ms"},
		{slow, "POST /events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", 408, "did not come within 100ms"},
		{fast, "POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 4194305\r\n\r\n", 413, "4194305 bytes, more than 4194304"},
		{fast, "POST /events HTTP/1.1\r\nHost: x\r\nX-Long: " + strings.Repeat("x", 2*mostHeader) + "\r\n\r\n", 431, ""},
		{fast, "POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: " + fmt.Sprint(len(goodLine)) + "\r\n\r\n" + goodLine, 200, ""},
	} {
		if status, text := said(t, c.addr, c.text); status != c.status || !strings.Contains(text, c.says) {
			t.Errorf("%.90q: %d %s, want %d with %q", c.text, status, text, c.status, c.says)
		}
	}
	resp, err := http.Post("http://"+fast+"/events", "", struct{ io.Reader }{io.LimitReader(zeros{}, mostBody+1)}) // without a length
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(string(text), "more than 4194304") {
		t.Errorf("got %d %s", resp.StatusCode, text)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// gated is a registry that is slow.
type gated struct {
	audit.Registry
	entered, release chan struct{}
}

func (g gated) Register(context.Context, audit.Registration) error {
	close(g.entered)
	<-g.release
	return nil
}

// Beyond what it can hold the endpoint tells clients to come later.
func TestAFullEndpointSaysSo(t *testing.T) {
	g := gated{nil, make(chan struct{}), make(chan struct{})}
	e, _ := opened(t, g, &audit.BatcherOptions{Lines: 10, Bytes: 1000, Memory: 2200})
	first := make(chan int, 1)
	go func() { first <- post(e, strings.Repeat(goodLine+"\n", 10)).Code }()
	<-g.entered
	if w := post(e, strings.Repeat(goodLine+"\n", 10)); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
		t.Errorf("events beyond the memory: %d", w.Code)
	}
	close(g.release)
	if code := <-first; code != http.StatusOK {
		t.Errorf("events within the memory: %d", code)
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
	for e.bodies.used.Load() == 0 {
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
