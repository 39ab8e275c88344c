package s3

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/onceflow/onceflow/internal/servers"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream"
)

// lines is a log that several goroutines write.
type lines struct {
	mu   sync.Mutex
	b    bytes.Buffer
	word []byte
	tell func()
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tell != nil && bytes.Contains(p, l.word) {
		l.tell()
	}
	return l.b.Write(p)
}

// watch calls tell at each line with word.
func (l *lines) watch(word string, tell func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.word, l.tell = []byte(word), tell
}

// A whole job tells its secret nowhere: not in any object, name, line of its log or status, and not when the service refuses
// it in the middle.
func TestNothingThatAJobLeavesHasItsSecret(t *testing.T) {
	hidden := []string{canarySecret, base64.StdEncoding.EncodeToString([]byte(canarySecret))}
	refuse := false
	s, _ := inBucket(t, Options{Attempts: 2}, func(n int, op string) sinktest.Fault {
		if refuse && op == "UploadPart" {
			return answer(403, "<Error><Code>SignatureDoesNotMatch</Code></Error>")
		}
		return sinktest.Fault{}
	})
	const token = "canary-session-token"
	cfg := config("", "")
	cfg.Credentials = credentials.NewStaticCredentialsProvider(servers.MinIOAccessKey, canarySecret, "")
	var log lines
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	opts := s.bucket.opts
	opts.Logger = logger
	s, err := Open(t.Context(), cfg, s.bucket.name, &opts)
	if err != nil {
		t.Fatal(err)
	}
	in := t.TempDir()
	write(t, in+"/a.txt", 5000, time.Second)
	var told strings.Builder
	o := &stream.Options{CommitEvery: 20 * time.Millisecond, Logger: logger, Observe: func(st stream.Status) { fmt.Fprintf(&told, "%+v\n", st) }}
	if err := run(t, s, in, o); err != nil {
		t.Fatal(err)
	}
	write(t, in+"/b.txt", 5000, time.Second)
	refuse = true
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	log.watch("SignatureDoesNotMatch", cancel)
	o.Shutdown = time.Second
	err = runUntil(ctx, s, in, o) // a permission may come back, so it goes on
	if ctx.Err() == nil {
		t.Fatalf("the job ended by itself: %v", err)
	}
	cfg.Credentials = credentials.NewStaticCredentialsProvider(servers.MinIOAccessKey, "wrong-"+canarySecret, token)
	_, wrong := Open(t.Context(), cfg, s.bucket.name, &opts)
	cfg.Credentials = credentials.NewStaticCredentialsProvider(servers.MinIOAccessKey, "wrong-"+canarySecret, "")
	_, plain := Open(t.Context(), cfg, s.bucket.name, &opts)
	for _, err := range []error{wrong, plain} { // it once suggested permissions
		if got := fmt.Sprint(err); !strings.Contains(got, "secret may be wrong") || strings.Contains(got, "may not allow") {
			t.Errorf("a wrong secret: got %q, want that the secret may be wrong, and no word of permissions", got)
		}
	}
	left := map[string]string{
		"log": log.b.String(), "status": told.String(), "error": fmt.Sprint(err), "wrong credentials": fmt.Sprint(wrong),
		"options": fmt.Sprintf("%+v %#v", opts, s.bucket.opts), "the store": fmt.Sprintf("%v %v %+v", s, s.bucket, s.bucket.opts),
	}
	for obj, err := range s.List(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		body, err := s.Read(t.Context(), obj.Key, obj.Size)
		if err != nil {
			t.Fatal(err)
		}
		left[obj.Key] = obj.Key + string(body)
	}
	if len(left) < 15 || !strings.Contains(left["log"], "msg=commit") {
		t.Fatalf("%d places, and a log of %d bytes, show nothing:\n%s", len(left), len(left["log"]), left["log"])
	}
	for where, text := range left {
		for _, secret := range append(hidden, token) {
			if strings.Contains(text, secret) {
				t.Errorf("%s has the secret %q", where, secret)
			}
		}
	}
}
