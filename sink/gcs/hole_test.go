package gcs

import (
	"bytes"
	"testing"
	"time"
)

// The service takes a request and never answers it: every call tries again, and nothing waits for more than its attempts.
func TestABlackHoleIsTriedAgain(t *testing.T) {
	long := bytes.Repeat([]byte("0123456789abcdef"), 50_000) // 800 KB in chunks of 256 KiB
	for name, c := range map[string]struct {
		match string
		body  []byte
		do    func(*testing.T, *Store, []byte) error
	}{
		"create":      {"uploadType=multipart", []byte("mine"), func(t *testing.T, s *Store, b []byte) error { return s.Create(t.Context(), "a", b) }},
		"short file":  {"uploadType=multipart", []byte("mine"), publish},
		"first chunk": {"upload_id=", long, publish},
		"publication": {"/moveTo/", []byte("mine"), publish},
	} {
		t.Run(name, func(t *testing.T) {
			sp := &spoiler{hang: true, before: true}
			s := open(t, sp)
			s.opts.Timeout = 500 * time.Millisecond
			sp.arm(c.match)
			begin := time.Now()
			if err := c.do(t, s, c.body); err != nil {
				t.Errorf("got %v, want success", err)
			}
			t.Logf("took %v, %d holes", time.Since(begin), sp.hits.Load())
			if got, err := s.Read(t.Context(), "a", int64(len(c.body))); err != nil || !bytes.Equal(got, c.body) {
				t.Errorf("read %d bytes, %v, want what was written", len(got), err)
			}
			if sp.hits.Load() != 1 {
				t.Errorf("%d requests were not answered, want 1", sp.hits.Load())
			}
		})
	}
}

// The client does not repeat the request that begins a session, and waits for its answer without end: we do not.
func TestABlackHoleAtTheStartOfALongFileEndsInAnError(t *testing.T) {
	sp := &spoiler{hang: true, before: true}
	s := open(t, sp)
	s.opts.Timeout, s.opts.Attempts = 100*time.Millisecond, 1
	sp.arm("uploadType=resumable")
	if err := publish(t, s, make([]byte, 800_000)); err == nil || sp.hits.Load() != 1 {
		t.Errorf("got %v and %d requests without an answer, want an error after one", err, sp.hits.Load())
	}
}

func publish(t *testing.T, s *Store, body []byte) error {
	t.Helper()
	u, err := s.Stage(t.Context(), "a", "own", 0)
	if err != nil {
		return err
	}
	if _, err := u.Write(body); err != nil {
		return err
	}
	ref, err := u.Close(t.Context())
	if err != nil {
		return err
	}
	return s.Publish(t.Context(), ref)
}
