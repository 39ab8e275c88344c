package monitor_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/internal/fulljob"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/metrics"
	"github.com/onceflow/onceflow/stream/monitor"
)

func get(h http.Handler, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

func at(now time.Time) *monitor.Options {
	return &monitor.Options{Now: func() time.Time { return now }}
}

// markup is a name and a text that somebody might choose to have something executed.
const markup = `</script><script>alert(1)</script><img src=x onerror="alert(2)">'"`

// has fails if a page lacks something, or if anything of it was not escaped.
func has(t *testing.T, w *httptest.ResponseRecorder, wants ...string) {
	t.Helper()
	body := w.Body.String()
	for _, want := range wants {
		if !strings.Contains(body, want) {
			t.Errorf("the page has no %q:\n%s", want, body[strings.Index(body, "<main"):])
		}
	}
	if n := strings.Count(body, "<script"); n != 1 || strings.Contains(body, "<img") || strings.Contains(body, "ZgotmplZ") {
		t.Errorf("the page has %d scripts, or what is not its own", n)
	}
	if strings.Contains(body, "http://") || strings.Contains(body, "https://") || strings.Contains(body, `src="`) || strings.Contains(body, `style="`) {
		t.Error("the page wants something from elsewhere")
	}
	if !strings.HasSuffix(strings.TrimSpace(body), "</html>") || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("it is not whole, or a %s", w.Header().Get("Content-Type"))
	}
}

func TestThePageShowsAFullJob(t *testing.T) {
	set := fulljob.Set(24)
	set.Jobs()[0].Logger(nil).Warn("sweeping failed", "error", errors.New("403"))
	w := get(monitor.New(set, at(fulljob.Now)), "/")
	if w.Code != http.StatusOK {
		t.Fatalf("got %d", w.Code)
	}
	has(t, w, "<h1>etl <span class=\"state warn\">healthy, with warnings", "etl-7d9f-0", "42 s ago", "5,432 records/s", "4,711", "33.0 MiB", "of 512.0 MiB",
		"sweep: not allowed", "<span>sealed</span>", "<span>merging 3/8</span>", "<span>waiting</span>", "<span>filling</span>", "1,000,000 rows in 12 files, 100.0 MiB",
		"the store&#39;s clock must reach", "hits/0@AbCdEfGhIjKlMnOpQrStUv", "etl-7d9f-5", "decode: unexpected end of JSON input", "275,934",
		"276,000 records of the whole job were read; the fates and what is pending make 276,000", "41217", "80,000", "800 ms, 90 ms, 400 ms", "sweeping failed error=403", "s3")
	if strings.Contains(w.Body.String(), "does not add up") {
		t.Error("it says that it does not add up")
	}
}

func TestThePageShowsWhatIsNotThere(t *testing.T) {
	set := metrics.New(&metrics.Options{Now: func() time.Time { return fulljob.Now }})
	m := monitor.New(set, at(fulljob.Now))
	has(t, get(m, "/"), "There is no job in this process yet.")
	job := set.Job("etl", nil)
	has(t, get(m, "/"), "starting", "The engine has told nothing", "Hours and partitions are not known", "None yet.", "None.")
	job.Observe(stream.Status{Delay: -1, Lag: driver.Lag{Records: -1}})
	has(t, get(m, "/"), "not ready", "<dd>unknown</dd>")
	set.Job("etl", fulljob.Output{JobState: &sink.JobState{}}).Observe(stream.Status{Ready: true})
	has(t, get(m, "/"), "healthy", "No hour has begun.", "page 1 of 1")
	set.Job("etl", fulljob.Output{}).Observe(stream.Status{Ready: true})
	has(t, get(m, "/"), "Hours and partitions are not known")
}

// Who looks at the page of a broken job needs it most.
func TestThePageShowsABrokenJobAndExecutesNothing(t *testing.T) {
	set := metrics.New(&metrics.Options{Now: func() time.Time { return fulljob.Now }})
	state := fulljob.State(3)
	state.Read++ // damaged
	job := set.Job(markup, fulljob.Output{JobState: state})
	st := fulljob.Status(fulljob.Now)
	st.Instance, st.Stalled, st.Unclosed, st.Fruitless = markup, errors.New(markup), errors.New(strings.Repeat("ö", 9000)), errors.New("all dead")
	st.Reasons = map[stream.Reason]int64{{Fate: stream.Dead, Why: markup}: 1}
	st.LateRows = map[string]int64{markup: 1}
	st.Lag.Retention = time.Minute
	job.Observe(st)
	job.Logger(nil).Error(markup)
	m := monitor.New(set, at(fulljob.Now.Add(5*time.Minute)))
	w := get(m, "/")
	has(t, w, "hangs", "for 5 min 00 s", "Work makes no progress", "&lt;img src=x", "No hour closes until", "Records will be lost", "does not add up", "…", "A clock is far ahead")
	if w.Body.Len() > 100_000 {
		t.Errorf("it has %d bytes", w.Body.Len())
	}
	_ = job.End(fmt.Errorf("%s: %w", markup, context.DeadlineExceeded))
	has(t, get(m, "/"), "ended with an error", "context deadline exceeded")
	w = get(m, "/?job=%3Cscript%3E&page=%3Cimg")
	has(t, w, "There is no job", "&lt;script&gt;")
	if w.Code != http.StatusNotFound {
		t.Errorf("got %d", w.Code)
	}
}

var row = regexp.MustCompile(`<tr><td>hits/(\d+)@`)

// The page of a large job is as small as that of others.
func TestThePageOf5000PartitionsIsSmall(t *testing.T) {
	m := monitor.New(fulljob.Set(5000), at(fulljob.Now))
	first := get(m, "/")
	has(t, first, "page 1 of 50", "5,000 open", `href="?job=etl&amp;page=2"`, `href="?job=etl&amp;page=50"`)
	if n := first.Body.Len(); n > 500_000 {
		t.Errorf("it has %d bytes, want at most 500,000", n)
	}
	seen := map[string]bool{}
	for page := 1; page <= 50; page++ {
		rows := row.FindAllStringSubmatch(get(m, fmt.Sprintf("/?job=etl&page=%d", page)).Body.String(), -1)
		if len(rows) != 100 {
			t.Fatalf("page %d has %d partitions", page, len(rows))
		}
		for _, r := range rows {
			seen[r[1]] = true
		}
	}
	if len(seen) != 5000 || row.FindStringSubmatch(first.Body.String())[1] != "4999" {
		t.Errorf("the pages have %d partitions", len(seen))
	}
	has(t, get(m, "/?page=999999999"), "page 50 of 50")
	has(t, get(m, "/?page=-3"), "page 1 of 50")
	has(t, get(m, "/?page=x"), "page 1 of 50")
}

func TestSeveralJobsAreOnePageEach(t *testing.T) {
	set := fulljob.Set(3)
	set.Job("clicks", nil).Observe(stream.Status{Ready: true, Stalled: errors.New("the store is away")})
	m := http.StripPrefix("/jobs", monitor.New(set, at(fulljob.Now)))
	has(t, get(m, "/jobs/"), "<h1>clicks", `<a href="?job=etl">etl</a>`, `aria-current="page">clicks`, "stalled", "the store is away")
	has(t, get(m, "/jobs/?job=etl"), "<h1>etl", `<a href="?job=clicks">clicks</a>`)
	if w := get(m, "/jobs/readyz"); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "\"clicks\" ready") {
		t.Errorf("got %d: %s", w.Code, w.Body)
	}
}

func TestWhatKubernetesIsTold(t *testing.T) {
	boom := errors.New("boom")
	for name, c := range map[string]struct {
		st           *stream.Status
		later        time.Duration
		end          error
		ended        bool
		alive, ready bool
	}{
		"starts":             {alive: true},
		"ready":              {st: &stream.Status{Ready: true}, alive: true, ready: true},
		"stalled":            {st: &stream.Status{Ready: true, Stalled: boom}, alive: true, ready: true},
		"acquires":           {st: &stream.Status{}, alive: true},
		"ends":               {st: &stream.Status{Ready: true, ShuttingDown: true}, alive: true},
		"hangs":              {st: &stream.Status{Ready: true}, later: 2 * time.Minute},
		"ended":              {st: &stream.Status{}, later: time.Hour, ended: true, alive: true, ready: true},
		"ended with error":   {st: &stream.Status{Ready: true}, ended: true, end: boom},
		"could not be begun": {ended: true, end: boom},
	} {
		set := metrics.New(&metrics.Options{Now: func() time.Time { return fulljob.Now }})
		job := set.Job("etl", nil)
		if c.st != nil {
			job.Observe(*c.st)
		}
		if c.ended {
			_ = job.End(c.end)
		}
		m := monitor.New(set, at(fulljob.Now.Add(c.later)))
		for path, well := range map[string]bool{"/healthz": c.alive, "/readyz": c.ready} {
			w := get(m, path)
			if (w.Code == http.StatusOK) != well || !strings.HasPrefix(w.Body.String(), `"etl" `) {
				t.Errorf("%s: %s answers %d %s", name, path, w.Code, w.Body)
			}
		}
	}
	if w := get(monitor.New(metrics.New(nil), nil), "/readyz"); w.Code != http.StatusOK || w.Body.String() != "no jobs\n" {
		t.Errorf("without jobs: %d %s", w.Code, w.Body)
	}
}

func TestOtherRequestsAreRefused(t *testing.T) {
	m := monitor.New(fulljob.Set(1), nil)
	if w := get(m, "/other"); w.Code != http.StatusNotFound {
		t.Errorf("got %d", w.Code)
	}
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", nil))
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("got %d %v", w.Code, w.Header())
	}
}

// A browser runs the page's own script and nothing else, which it knows by these hashes.
func TestThePolicyNamesTheScriptAndTheStyle(t *testing.T) {
	w := get(monitor.New(fulljob.Set(1), nil), "/")
	for _, tag := range []string{"script", "style"} {
		_, rest, _ := strings.Cut(w.Body.String(), "<"+tag+">")
		text, _, ok := strings.Cut(rest, "</"+tag+">")
		sum := sha256.Sum256([]byte(text))
		if want := tag + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !ok || !strings.Contains(w.Header().Get("Content-Security-Policy"), want) {
			t.Errorf("the policy %q has no %s", w.Header().Get("Content-Security-Policy"), want)
		}
	}
}

// busy is an Output whose ledger is read or written now and then.
type busy struct {
	fulljob.Output
	now bool
}

func (b *busy) Explain(hour time.Time) ([]sink.HourBlocker, bool) {
	if b.now {
		return nil, false
	}
	return b.Output.Explain(hour)
}

func TestWhatWasKnownOfHoursStays(t *testing.T) {
	now := fulljob.Now
	set := metrics.New(nil)
	out := &busy{Output: fulljob.Output{JobState: fulljob.State(1)}}
	set.Job("etl", out).Observe(stream.Status{Ready: true})
	m := monitor.New(set, &monitor.Options{Now: func() time.Time { return now }, Silent: 100 * 365 * 24 * time.Hour})
	has(t, get(m, "/"), "wait for</h3>", "the store&#39;s clock must reach")
	now, out.now = now.Add(7*time.Second), true
	has(t, get(m, "/"), "wait for, as of 7 s ago</h3>", "the store&#39;s clock must reach")
}

func TestManyReasonsOfAnHourAreFew(t *testing.T) {
	set := metrics.New(nil)
	set.Job("etl", many{fulljob.Output{JobState: fulljob.State(1)}}).Observe(stream.Status{Ready: true})
	has(t, get(monitor.New(set, nil), "/"), "nobody has committed anything of it", "and 4,996 more reasons")
}

type many struct{ fulljob.Output }

func (many) Explain(time.Time) ([]sink.HourBlocker, bool) {
	list := make([]sink.HourBlocker, 5000, 5001)
	for i := range list {
		list[i] = sink.HourBlocker{Kind: sink.BlockedByPartition}
	}
	return append(list, sink.HourBlocker{Kind: sink.BlockedByUnknown}), true
}

func BenchmarkPageOf5000Partitions(b *testing.B) {
	m := monitor.New(fulljob.Set(5000), at(fulljob.Now))
	for b.Loop() {
		if w := get(m, "/"); w.Code != http.StatusOK {
			b.Fatal(w.Code)
		}
	}
}

// A service answers the probes of Kubernetes, and shows a person how its jobs are.
func ExampleNew() {
	set := metrics.New(nil)
	job := set.Job("etl", nil) // and the job's *sink.Sink, for hours and partitions
	opts := stream.Options{Observe: job.Observe, Logger: job.Logger(slog.Default())}
	server := httptest.NewServer(monitor.New(set, nil))
	defer server.Close()

	opts.Observe(stream.Status{Ready: true}) // which stream.Run does once a second
	answer, err := http.Get(server.URL + "/readyz")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer answer.Body.Close()
	fmt.Println(answer.Status)
	// Output: 200 OK
}
