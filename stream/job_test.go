package stream_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/stage"
	"github.com/onceflow/onceflow/stream/streamtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// job is a running job.
type job struct {
	t      *testing.T
	src    *streamtest.Source
	out    *streamtest.Output[text]
	cancel context.CancelFunc
	ended  chan error

	mu     sync.Mutex
	status stream.Status
	log    strings.Builder
}

// startJob runs texts and then stages in the background.
func startJob(t *testing.T, src *streamtest.Source, out *streamtest.Output[text], opts stream.Options, stages ...stage.Stage[text, text]) *job {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	j := &job{t: t, src: src, out: out, cancel: cancel, ended: make(chan error, 1)}
	p := texts(src)
	for _, s := range stages {
		p = stream.Via(p, s)
	}
	opts.Instance = "me"
	opts.Observe = func(s stream.Status) {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.status = s
	}
	opts.Logger = slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	go func() { j.ended <- stream.Run(ctx, p, out, &opts) }()
	synctest.Wait()
	return j
}

// Write takes the log's lines.
func (j *job) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.log.Write(b)
}

func (j *job) logged() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.log.String()
}

func (j *job) now() stream.Status {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.status
}

// stop ends the job and returns what Run returned.
func (j *job) stop() error {
	j.t.Helper()
	j.cancel()
	err := <-j.ended
	if n := j.out.Open(); n != 0 {
		j.t.Errorf("%d transactions are left open, want 0", n)
	}
	return err
}

func (j *job) mustStop() {
	j.t.Helper()
	if err := j.stop(); err != nil {
		j.t.Errorf("Run: %v", err)
	}
}

// wantWords checks the committed rows.
func wantWords(t *testing.T, ledger *streamtest.Ledger[text], want ...string) {
	t.Helper()
	slices.Sort(want)
	if got := words(ledger.Rows()); !slices.Equal(got, want) {
		t.Errorf("got rows %v, want %v", got, want)
	}
}

// newLedger makes a ledger in which nothing is late.
func newLedger(t *testing.T) *streamtest.Ledger[text] {
	l := streamtest.NewLedger[text](t)
	l.Lateness = -1
	return l
}

// elapse lets the time of synctest pass. Nobody waits for it.
func elapse(d time.Duration) { <-time.After(d) }

const (
	every   = 10 * time.Second
	forever = 1000 * time.Hour
)

var often = stream.Options{CommitEvery: every, Parallel: 2}
