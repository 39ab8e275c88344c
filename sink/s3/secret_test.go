package s3

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/onceflow/onceflow/internal/servers"
	"github.com/onceflow/onceflow/stream"
)

// lines is a log that several goroutines write.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// A whole job tells its secret nowhere: not in any object, name, line of its log or status, and not when the service refuses
// it in the middle.
func TestNothingThatAJobLeavesHasItsSecret(t *testing.T) {
	hidden := []string{canarySecret, base64.StdEncoding.EncodeToString([]byte(canarySecret))}
	refuse := false
	s, _ := bucket(t, Options{Attempts: 2}, func(n int, op string) fault {
		if refuse && op == "UploadPart" {
			return fault{before: &answer{403, "<Error><Code>SignatureDoesNotMatch</Code></Error>"}}
		}
		return fault{}
	})
	const token = "canary-session-token"
	cfg := config("", "")
	cfg.Credentials = credentials.NewStaticCredentialsProvider(servers.MinIOAccessKey, canarySecret, "")
	var log lines
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	opts := s.opts
	opts.Logger = logger
	s, err := Open(t.Context(), cfg, s.bucket, &opts)
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
	err = run(t, s, in, o)
	if err == nil {
		t.Fatal("the job went on though it was refused")
	}
	cfg.Credentials = credentials.NewStaticCredentialsProvider(servers.MinIOAccessKey, "wrong-"+canarySecret, token)
	_, wrong := Open(t.Context(), cfg, s.bucket, &opts)
	left := map[string]string{
		"log": log.b.String(), "status": told.String(), "error": err.Error(), "wrong credentials": fmt.Sprint(wrong),
		"options": fmt.Sprintf("%+v %#v", opts, s.opts), "the store": fmt.Sprintf("%v %+v", s, s.opts),
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
