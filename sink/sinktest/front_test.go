package sinktest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink/sinktest"
)

// echo is a server that counts, and says what it got, from whom, and when.
func echo(t *testing.T) (url string, got func() int) {
	t.Helper()
	n := make(chan int, 1)
	n <- 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		n <- <-n + 1
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Location", "http://"+r.Context().Value(http.LocalAddrContextKey).(fmt.Stringer).String()+"/next")
		fmt.Fprintf(w, "%s %s %s", r.Host, body, time.Now().UTC().Format(time.RFC3339Nano))
	}))
	t.Cleanup(s.Close)
	return s.URL, func() int {
		v := <-n
		n <- v
		return v
	}
}

func post(ctx context.Context, url, body string) (status int, answer string, header http.Header, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return 0, "", nil, err
	}
	r.Close = true
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), res.Header, err
}

// Each fault: what the client gets, and whether the server got the request.
func TestFaultsSpoilWhatTheySay(t *testing.T) {
	for name, c := range map[string]struct {
		fault   sinktest.Fault
		status  int
		body    string
		arrives bool
		fails   bool // the client sees a broken connection
		silent  bool // the client gives up
	}{
		"none":         {sinktest.Fault{}, 200, "abcdefgh", true, false, false},
		"answer":       {sinktest.Fault{Kind: sinktest.Answer, Status: 503, Body: "busy"}, 503, "busy", false, false, false},
		"late answer":  {sinktest.Fault{Kind: sinktest.Answer, Status: 503, Body: "busy", Late: true}, 503, "busy", true, false, false},
		"hang up":      {sinktest.Fault{Kind: sinktest.HangUp}, 0, "", false, true, false},
		"late hang up": {sinktest.Fault{Kind: sinktest.HangUp, Late: true}, 0, "", true, true, false},
		"cut":          {sinktest.Fault{Kind: sinktest.Cut}, 200, "", true, true, false},
		"silence":      {sinktest.Fault{Kind: sinktest.Silence}, 0, "", false, false, true},
		"late silence": {sinktest.Fault{Kind: sinktest.Silence, Late: true}, 0, "", true, false, true},
		"stall":        {sinktest.Fault{Kind: sinktest.Stall}, 200, "", true, false, true},
		"trickle":      {sinktest.Fault{Kind: sinktest.Trickle}, 200, "", true, false, true},
		"flip":         {sinktest.Fault{Kind: sinktest.Flip}, 200, "abcdafgh", true, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, got := echo(t)
			f := sinktest.NewFront(t, url)
			f.Spoil(func(n int, _ *http.Request) sinktest.Fault {
				if n == 0 {
					return c.fault
				}
				return sinktest.Fault{}
			})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			if c.silent {
				ctx, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
			}
			defer cancel()
			status, body, _, err := post(ctx, f.URL+"/a?b", "abcdefgh")
			switch {
			case c.silent && !errors.Is(err, context.DeadlineExceeded):
				t.Errorf("got %d %q, %v, want nothing until the client gives up", status, body, err)
			case c.fails && (err == nil || errors.Is(err, context.DeadlineExceeded)):
				t.Errorf("got %d %q, %v, want a broken connection", status, body, err)
			case !c.fails && !c.silent && (err != nil || status != c.status || !strings.Contains(body, c.body)):
				t.Errorf("got %d %q, %v, want %d with %q", status, body, err, c.status, c.body)
			}
			if arrived := got() == 1; arrived != c.arrives {
				t.Errorf("the server got %d requests", got())
			}
			if status, body, _, err = post(t.Context(), f.URL, "second"); err != nil || status != 200 || !strings.Contains(body, "second") {
				t.Errorf("the next request: got %d %q, %v", status, body, err)
			}
			if r := f.Requests(); len(r) != 2 || r[0] != "POST /a?b" {
				t.Errorf("requests %q, want two", r)
			}
		})
	}
}

// Signatures have the host that the client asked; answers must lead nobody past the front.
func TestTheFrontKeepsTheHostAndTakesTheServersPlace(t *testing.T) {
	url, _ := echo(t)
	f := sinktest.NewFront(t, url)
	_, body, header, err := post(t.Context(), f.URL, "x")
	if err != nil || !strings.HasPrefix(body, strings.TrimPrefix(f.URL, "http://")+" ") {
		t.Errorf("the server saw %q, %v, want the front's host", body, err)
	}
	if got, want := header.Get("Location"), f.URL+"/next"; got != want {
		t.Errorf("Location %q, want %q", got, want)
	}
}

func TestTheFrontMovesTheServersClock(t *testing.T) {
	url, _ := echo(t)
	f := sinktest.NewFront(t, url)
	for _, shift := range []time.Duration{-3 * time.Hour, 0, 3 * time.Hour} {
		f.Shift(shift)
		_, body, header, err := post(t.Context(), f.URL, "x")
		if err != nil {
			t.Fatal(err)
		}
		date, err := http.ParseTime(header.Get("Date"))
		if off := time.Until(date) - shift; err != nil || off.Abs() > time.Minute {
			t.Errorf("Date is off by %v, %v, want %v", off+shift, err, shift)
		}
		fields := strings.Fields(body)
		at, err := time.Parse(time.RFC3339Nano, fields[len(fields)-1])
		if off := time.Until(at) - shift; err != nil || off.Abs() > time.Minute {
			t.Errorf("the body's time is off by %v, %v, want %v", off+shift, err, shift)
		}
	}
}

// Some clients read of a refusal no more than its headers.
func TestAnAnswerHasItsHeaders(t *testing.T) {
	url, _ := echo(t)
	f := sinktest.NewFront(t, url)
	f.Spoil(func(int, *http.Request) sinktest.Fault {
		return sinktest.Fault{Kind: sinktest.Answer, Status: 429, Header: http.Header{"Retry-After": {"7"}}}
	})
	if status, _, header, err := post(t.Context(), f.URL, "x"); err != nil || status != 429 || header.Get("Retry-After") != "7" {
		t.Errorf("got %d, %v, %v, want 429 and to come again after 7 seconds", status, header, err)
	}
}

// What happens between the server's answer and the client's knowing of it.
func TestThenIsCalledBeforeTheClientKnows(t *testing.T) {
	url, got := echo(t)
	f := sinktest.NewFront(t, url)
	var seen bytes.Buffer
	f.Spoil(func(int, *http.Request) sinktest.Fault {
		return sinktest.Fault{Then: func() { fmt.Fprint(&seen, "then ", got()) }}
	})
	status, body, _, err := post(t.Context(), f.URL, "x")
	if err != nil || status != 200 || !strings.Contains(body, " x ") || seen.String() != "then 1" {
		t.Errorf("got %d %q, %v, and %q, want it to be called after the server has answered", status, body, err, seen.String())
	}
}
