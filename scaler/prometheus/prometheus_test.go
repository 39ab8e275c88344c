package prometheus

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/scaler"
)

// serve answers each query with the body that answers has for it.
func serve(t *testing.T, answers map[string]string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := answers[r.PostFormValue("query")]
		if !ok || r.URL.Path != "/base/api/v1/query" {
			w.WriteHeader(http.StatusBadRequest)
			body = `{"status":"error","errorType":"bad_data","error":"parse error"}`
		}
		fmt.Fprint(w, body)
	}))
	t.Cleanup(s.Close)
	return s.URL + "/base"
}

func vector(values ...string) string {
	var elements []string
	for _, v := range values {
		elements = append(elements, fmt.Sprintf(`{"metric":{},"value":[1700000000.1,%q]}`, v))
	}
	return `{"status":"success","data":{"resultType":"vector","result":[` + strings.Join(elements, ",") + `]}}`
}

func read(t *testing.T, base string, q Queries) (scaler.Sample, error) {
	t.Helper()
	s, err := New(base, q, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s.Read(t.Context())
}

func TestOneNumberIsAValueAndNoneIsUnknown(t *testing.T) {
	base := serve(t, map[string]string{
		"arrival": vector("12.5"), "lag": vector(), "ready": `{"status":"success","data":{"resultType":"scalar","result":[1,"3"]}}`,
		"busy": vector("NaN"),
	})
	s, err := read(t, base, Queries{Arrival: "arrival", Lag: "lag", Ready: "ready", Busy: "busy"})
	if err != nil || s.Arrival.Number != 12.5 || s.Ready.Number != 3 || s.Lag.Known() || s.Done.Known() || !math.IsNaN(s.Busy.Number) {
		t.Errorf("got %+v (%v)", s, err)
	}
	if age := time.Since(s.Arrival.At); age < 0 || age > time.Minute {
		t.Errorf("age %s, want now", age)
	}
}

// An age that is not a number of seconds became a time of some other century, which differs by processor.
func TestAnAgeThatSaysNothingIsAnError(t *testing.T) {
	for _, age := range []string{"NaN", "+Inf", "-Inf", "-1", "1e300", "4e9"} {
		s, err := read(t, serve(t, map[string]string{"age": vector(age), "lag": vector("1")}), Queries{Age: "age", Lag: "lag"})
		if err == nil || s.Lag.Known() {
			t.Errorf("age %s: got %+v, %v", age, s, err)
		}
	}
	for _, text := range []string{"1e300", "+Inf"} { // a value is not refused here but where all signals are
		if _, err := read(t, serve(t, map[string]string{"lag": vector(text)}), Queries{Lag: "lag"}); err != nil {
			t.Errorf("lag %s: %v", text, err)
		}
	}
}

// The moment of the queries was that of this machine's clock: two hours behind, the job was scaled by what it had done two hours
// ago; ahead, nothing was known.
func TestQueriesAreForNowByPrometheussClock(t *testing.T) {
	var times []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		times = append(times, r.PostFormValue("time"))
		fmt.Fprint(w, vector("1"))
	}))
	t.Cleanup(s.Close)
	if _, err := read(t, s.URL, Queries{Arrival: "arrival", Done: "done", Lag: "lag"}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"", "1700000000.100", "1700000000.100"}; !slices.Equal(times, want) {
		t.Errorf("asked for %q, want %q: now, and then for the time of the first answer", times, want)
	}
}

func TestSeveralNumbersAndOtherRepliesAreErrorsThatSpareTheRest(t *testing.T) {
	base := serve(t, map[string]string{
		"arrival": vector("1", "2"), "done": `{"status":"success","data":{"resultType":"matrix","result":[]}}`,
		"delay": "<html>", "lag": vector("7"), "busy": `{"status":"success","data":{"resultType":"scalar","result":[1,2]}}`,
	})
	s, err := read(t, base, Queries{Arrival: "arrival", Done: "done", Delay: "delay", Lag: "lag", Busy: "busy", Ready: "unheard"})
	for _, want := range []string{"gives 2 numbers", "gives a matrix", "not a reply of Prometheus", "parse error", "2 is not a number"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q in it", err, want)
		}
	}
	if want := (scaler.Sample{Lag: s.Lag}); s != want || s.Lag.Number != 7 {
		t.Errorf("got %+v, want the lag alone", s)
	}
}

func TestAgeIsThatOfTheData(t *testing.T) {
	base := serve(t, map[string]string{"lag": vector("7"), "age": vector("240"), "gone": vector()})
	s, err := read(t, base, Queries{Lag: "lag", Age: "age"})
	if age := time.Since(s.Lag.At); err != nil || age < 239*time.Second || age > 300*time.Second {
		t.Errorf("age %s (%v), want 240 s", age, err)
	}
	if s, err = read(t, base, Queries{Lag: "lag", Age: "gone"}); err == nil || s.Lag.Known() {
		t.Errorf("got %+v (%v), want no value without an age", s, err)
	}
}

func TestNewRefusesWhatCannotBe(t *testing.T) {
	for _, base := range []string{"", "prometheus:9090", "http://", ":"} {
		if _, err := New(base, Queries{Lag: "lag"}, nil); err == nil {
			t.Errorf("%q was taken", base)
		}
	}
	if _, err := New("http://prometheus:9090", Queries{Age: "x"}, nil); err == nil {
		t.Error("no queries were taken")
	}
}

func FuzzReplies(f *testing.F) {
	f.Add(vector("1"))
	f.Add(`{"status":"success","data":{"resultType":"scalar","result":[1,"Inf"]}}`)
	f.Fuzz(func(t *testing.T, body string) {
		base := serve(t, map[string]string{"q": body})
		if s, err := read(t, base, Queries{Lag: "q"}); err != nil && s.Lag.Known() {
			t.Errorf("%q gives %v and %v", body, s.Lag, err)
		}
	})
}

// A real server scrapes itself; its own counters are the data.
func TestARealServerAnswers(t *testing.T) {
	program, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("needs the program prometheus, such as Debian's package of that name")
	}
	dir := t.TempDir()
	probe := httptest.NewServer(nil)
	address := strings.TrimPrefix(probe.URL, "http://")
	probe.Close() // its port is free now
	config := fmt.Sprintf("scrape_configs:\n- job_name: self\n  scrape_interval: 1s\n  static_configs:\n  - targets: [%q]\n", address)
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "--config.file="+filepath.Join(dir, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cancel()
		cmd.Wait()
	}()
	s, err := New("http://"+address, Queries{
		Arrival: `sum(rate(prometheus_tsdb_head_samples_appended_total[5s]))`, Ready: `sum(up)`, Lag: `sum(no_such_metric)`,
		Delay: `prometheus_http_requests_total`, Age: `time() - min(timestamp(up))`,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		got, err := s.Read(ctx)
		if got.Arrival.Number > 0 && got.Ready.Number == 1 {
			if got.Lag.Known() || got.Delay.Known() || err == nil || !strings.Contains(err.Error(), "numbers") {
				t.Errorf("got %+v (%v), want no lag, and an error for the many counters of requests", got, err)
			}
			if age := time.Since(got.Ready.At); age < 0 || age > 5*time.Second {
				t.Errorf("the data are %s old, want a second or two", age)
			}
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("no data within a minute: %+v, %v", got, err)
		}
	}
}
