package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// traffic is clients that send events until they are accepted, as many times as it takes, and what they were told is accepted.
type traffic struct {
	url           string
	events, lines int
	pace          <-chan time.Time // each request waits for one; nil: none does

	mu    sync.Mutex
	acked *os.File // the lines

	next    atomic.Int64 // the next request
	retries atomic.Int64
	busy    atomic.Int64 // 429
}

func (t *traffic) requests() int { return (t.events + t.lines - 1) / t.lines }

// run sends all events by n clients at once.
func (t *traffic) run(ctx context.Context, n int) error {
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: n}}
	defer client.CloseIdleConnections()
	var group sync.WaitGroup
	var failed atomic.Pointer[error]
	for range n {
		group.Go(func() {
			for {
				i := int(t.next.Add(1)) - 1
				if i >= t.requests() || failed.Load() != nil {
					return
				}
				if t.pace != nil {
					<-t.pace
				}
				if err := t.send(ctx, client, i); err != nil {
					failed.Store(&err)
					return
				}
			}
		})
	}
	group.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// send sends a request until it is accepted.
func (t *traffic) send(ctx context.Context, client *http.Client, i int) error {
	text := t.request(i)
	for try := 0; ; try++ {
		status, answer, err := t.once(ctx, client, text)
		switch {
		case status == http.StatusOK:
			t.mu.Lock()
			defer t.mu.Unlock()
			_, err := t.acked.Write(text)
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case status >= 400 && status < 500 && status != http.StatusTooManyRequests && status != http.StatusRequestTimeout:
			return fmt.Errorf("the endpoint refuses request %d: %s: %s", i, http.StatusText(status), answer)
		case status == http.StatusTooManyRequests:
			t.busy.Add(1)
		}
		_ = err // no answer: it may be accepted or not, so it is sent again
		t.retries.Add(1)
		select {
		case <-time.After(min(time.Second, 20*time.Millisecond<<min(try, 6))):
		case <-ctx.Done():
		}
	}
}

func (t *traffic) once(ctx context.Context, client *http.Client, text []byte) (status int, answer string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url, bytes.NewReader(text))
	if err != nil {
		return 0, "", err
	}
	resp, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil { // it was cut off: nobody knows what it would have said
		return 0, "", err
	}
	return resp.StatusCode, string(b), nil
}

// request makes the events of a request.
func (t *traffic) request(i int) (text []byte) {
	now := time.Now().UTC()
	for n := i * t.lines; n < min(t.events, (i+1)*t.lines); n++ {
		text = fmt.Appendf(text, `{"id":"e%09d","at":%q,"user":"u%06d","page":"/articles/%x","referrer":"https://example.org/%d"}`+"\n",
			n, now.Format(time.RFC3339Nano), n*7919%100_003, n*104_729, n%97)
	}
	return text
}
