//go:build unix

package torture

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"regexp"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/onceflow/onceflow/internal/servers"
	"github.com/onceflow/onceflow/internal/servers/servertest"
	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/s3"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/kafka"
	"github.com/onceflow/onceflow/stream/record"
)

// step is a request of the protocol at which a worker stops itself.
type step struct {
	method, in, body string // of the request: its method, a pattern for its URL, a part of its body
	after            bool   // when the answer is there and nobody has seen it, not before it is sent
	staging          string // s3.Options.Staging; empty is what the store chooses
}

var steps = map[string]step{
	"in upload":                    {method: http.MethodPut, in: "/rows/.*partNumber=", staging: "uploads"},
	"in a put to staging":          {method: http.MethodPut, in: "rows%2C/", staging: "objects"},
	"before append":                {method: http.MethodPut, in: "/e0001/s0000/", body: `"kind":"commit"`},
	"between append and its reply": {method: http.MethodPut, in: "/e0001/s0000/", body: `"kind":"commit"`, after: true},
	"before a completion":          {method: http.MethodPost, in: "/rows/.*uploadId=", staging: "uploads"},
	"before a copy":                {method: http.MethodPut, in: "/rows/day", staging: "objects"},
	"between publish and manifest": {method: http.MethodPut, in: "/manifests/s0000/"},
	"before close":                 {method: http.MethodPut, in: "/e0001/s0000/", body: `"kind":"close"`},
	"before seal":                  {method: http.MethodPut, in: "/_SEALED"},
}

// What the workers are set to.
const (
	zombieSession = time.Second
	zombieCommit  = 200 * time.Millisecond
)

// workerSpec is what a worker is told, as JSON in $ONCEFLOW_ZOMBIE.
type workerSpec struct {
	Brokers                 []string
	Topic, Endpoint, Bucket string
	Step                    string // where it stops, once; empty: nowhere
}

var shared servertest.Shared

// The test's program is its worker too.
func TestMain(m *testing.M) {
	if s := os.Getenv("ONCEFLOW_ZOMBIE"); s != "" {
		var spec workerSpec
		err := json.Unmarshal([]byte(s), &spec)
		if err == nil {
			err = spec.run()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	shared.Main(m)
}

// run is a job like examples/kafka-to-s3. It prints what tests wait for: "stopping", "going on", "commits N", and in the
// end "read N", records that were read again among them.
func (s *workerSpec) run() (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	src, err := kafka.Open(ctx, kafka.Config{Brokers: s.Brokers, Group: s.Topic, Topics: []string{s.Topic}}, &kafka.Options{SessionTimeout: zombieSession, Logger: log})
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, src.Close()) }()
	stopper := &stopper{on: bufio.NewReader(os.Stdin)}
	if s.Step != "" {
		step := steps[s.Step]
		stopper.at.Store(&step)
	}
	cfg := aws.Config{Region: "us-east-1", HTTPClient: &http.Client{Transport: stopper},
		Credentials: credentials.NewStaticCredentialsProvider(servers.MinIOAccessKey, servers.MinIOSecretKey, "")}
	store, err := s3.Open(ctx, cfg, s.Bucket, &s3.Options{Endpoint: s.Endpoint, PathStyle: true, Logger: log, Staging: steps[s.Step].staging})
	if err != nil {
		return err
	}
	out, err := sink.Open(ctx, store, "job", []sink.Flow[row]{{Name: "rows", Format: format.JSONLines[row]()}}, nil)
	if err != nil {
		return err
	}
	var read atomic.Int64
	defer func() { fmt.Println("read", read.Load()) }()
	parse := func(r *record.Record) (w row, err error) {
		read.Add(1)
		return w, json.Unmarshal(r.Value, &w)
	}
	rows := stream.Via(stream.From(src), stream.Decode(parse, func(w *row) time.Time { return w.At }))
	var commits int64
	return stream.Run(ctx, rows, seal.Hourly(out, &seal.Options{Lateness: time.Minute}), &stream.Options{
		CommitEvery: zombieCommit, Logger: log,
		Observe: func(st stream.Status) {
			if st.Commits != commits {
				commits = st.Commits
				fmt.Println("commits", commits)
			}
		},
	})
}

// stopper stops the process at a request. It then waits for a line on standard input too, since a process may run on for a
// moment after it has stopped itself.
type stopper struct {
	at atomic.Pointer[step]
	on *bufio.Reader
}

func (s *stopper) RoundTrip(r *http.Request) (*http.Response, error) {
	at := s.at.Load()
	if at == nil || r.Method != at.method || !regexp.MustCompile(at.in).MatchString(r.URL.String()) {
		return http.DefaultTransport.RoundTrip(r)
	}
	if at.body != "" {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(body))
		if !bytes.Contains(body, []byte(at.body)) {
			return http.DefaultTransport.RoundTrip(r)
		}
	}
	if !s.at.CompareAndSwap(at, nil) {
		return http.DefaultTransport.RoundTrip(r)
	}
	if !at.after {
		s.stop()
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if at.after {
		s.stop()
	}
	return resp, err
}

func (s *stopper) stop() {
	fmt.Println("stopping")
	_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	_, _ = s.on.ReadString('\n')
	fmt.Println("going on")
}
