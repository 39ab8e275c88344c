package monitor_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onceflow/onceflow/internal/fulljob"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/metrics"
	"github.com/onceflow/onceflow/stream/monitor"
)

// A browser takes the page: it prints nothing on its console, runs the script that asks again, and nothing else. ONCEFLOW_CHROMIUM
// names the program; make page sets it.
func TestChromiumTakesThePage(t *testing.T) {
	program := os.Getenv("ONCEFLOW_CHROMIUM")
	if program == "" {
		t.Skip("ONCEFLOW_CHROMIUM is not set: make page")
	}
	broken := metrics.New(&metrics.Options{Now: func() time.Time { return fulljob.Now }})
	job := broken.Job(markup, fulljob.Output{JobState: fulljob.State(3)})
	job.Observe(stream.Status{Stalled: errors.New(markup)})
	job.Logger(nil).Error(markup)
	_ = job.End(errors.New(markup))
	for name, c := range map[string]struct {
		set  *metrics.Set
		want string
	}{
		"full":   {fulljob.Set(24), "hits/23@"},
		"large":  {fulljob.Set(5000), "page 1 of 50"},
		"empty":  {metrics.New(nil), "There is no job"},
		"broken": {broken, "ended with an error"},
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int64
			m := monitor.New(c.set, at(fulljob.Now))
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				m.ServeHTTP(w, r)
			}))
			defer server.Close()
			dom, said := chromium(t, program, "--virtual-time-budget=12000", "--dump-dom", server.URL+"/")
			if !strings.Contains(dom, c.want) || strings.Contains(dom, `id="old">;`) || strings.Contains(dom, "<img") {
				t.Errorf("no %q in\n%s", c.want, dom)
			}
			if strings.Contains(said, "CONSOLE") {
				t.Errorf("its console has\n%s", said)
			}
			if asked.Load() < 2 {
				t.Errorf("the page asked %d times in 12 seconds of the browser, want again after 5", asked.Load())
			}
			if dir := os.Getenv("ONCEFLOW_PICTURES"); dir != "" {
				for form, flags := range map[string][]string{"": {"--window-size=1280,1500"}, "-phone": {"--window-size=500,2600"}, "-dark": {"--window-size=1280,1500", "--force-dark-mode"}} {
					chromium(t, program, append(flags, "--hide-scrollbars", "--screenshot="+filepath.Join(dir, "status-"+name+form+".png"), server.URL+"/")...)
				}
			}
		})
	}
}

// chromium runs the program, and returns what it wrote.
func chromium(t *testing.T, program string, args ...string) (out, said string) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	args = append([]string{"--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--user-data-dir=" + t.TempDir()}, args...)
	cmd := exec.CommandContext(ctx, program, args...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatal(fmt.Errorf("%w: %s", err, stderr.String()))
	}
	return stdout.String(), stderr.String()
}
