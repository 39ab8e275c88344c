package linejob

import (
	"bufio"
	"context"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// An operator looks at a job while it runs. A second one at the same address says which address that is.
func TestAJobShowsHowItIs(t *testing.T) {
	var o Options
	f := flag.NewFlagSet("job", flag.ContinueOnError)
	o.Register(f, "none")
	if err := f.Parse([]string{"-http", "127.0.0.1:0"}); err != nil {
		t.Fatal(err)
	}
	log, store := streamtest.NewLog(1), sinktest.NewMemory()
	run := func(ctx context.Context, o *Options, out io.Writer) error {
		source := func(context.Context, *slog.Logger) (stream.Source, error) { return log.Source(nil), nil }
		return o.Run(ctx, out, []string{"log"}, source, func(context.Context, *slog.Logger) (sink.Store, error) { return store, nil })
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, &o, w)
		w.Close()
	}()
	lines := bufio.NewScanner(r)
	url := ""
	for url == "" && lines.Scan() {
		_, url, _ = strings.Cut(lines.Text(), "msg=serving url=")
	}
	go func() { _, _ = io.Copy(io.Discard, r) }()
	for path, want := range map[string]string{"/": "<h1>job", "/healthz": `"job" lives`, "/metrics": "onceflow_store_calls_total"} {
		answer, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != http.StatusOK || !strings.Contains(string(body), want) {
			t.Errorf("%s: %d, %v, no %q in\n%s", path, answer.StatusCode, err, want, body)
		}
	}
	second := o
	second.http = strings.TrimPrefix(url, "http://")
	if err := run(ctx, &second, io.Discard); err == nil || !strings.Contains(err.Error(), second.http) {
		t.Errorf("the second one says %v, want the address %s", err, second.http)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
