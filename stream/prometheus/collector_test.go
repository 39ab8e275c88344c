package prometheus_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/onceflow/onceflow/dedup"
	"github.com/onceflow/onceflow/internal/fulljob"
	"github.com/onceflow/onceflow/stream/metrics"
	"github.com/onceflow/onceflow/stream/prometheus"
)

// The client library refuses what is inconsistent or there twice, and its linter what is badly named.
func TestTheClientTakesAllMetrics(t *testing.T) {
	registry := client.NewPedanticRegistry()
	if err := registry.Register(prometheus.New(fulljob.Set(5000))); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, f := range families {
		got = append(got, fmt.Sprintf("%s %s %s", f.GetName(), strings.ToLower(f.GetType().String()), f.GetHelp()))
	}
	for _, m := range metrics.All() {
		want = append(want, fmt.Sprintf("%s %s %s", m.Name, m.Kind, m.Help))
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	problems, err := testutil.GatherAndLint(registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("the linter says %v, %v", problems, err)
	}
}

// What metrics.Set.WriteText writes is what the client library writes.
func TestTheTextIsThatOfTheClient(t *testing.T) {
	set := fulljob.Set(5)
	set.Dedup("a\"b\\c\nd", "id", &dedup.Stats{})
	var text strings.Builder
	if err := set.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	registry := client.NewRegistry()
	registry.MustRegister(prometheus.New(set))
	w := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	got, want := samples(text.String()), samples(w.Body.String())
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("line %d differs:\n%q\n%q", i, got[i:], want[i:])
		}
	}
}

// samples are the sorted lines of a text, with the labels of each in order.
func samples(text string) []string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		if name, rest, ok := strings.Cut(l, "{"); ok && l[0] != '#' {
			labels, value, _ := strings.Cut(rest, "\"} ")
			list := strings.Split(labels, "\",")
			slices.Sort(list)
			lines[i] = fmt.Sprint(name, list, value)
		}
	}
	slices.Sort(lines)
	return lines
}

func BenchmarkScrape5000Partitions(b *testing.B) {
	registry := client.NewRegistry()
	registry.MustRegister(prometheus.New(fulljob.Set(5000)))
	h := promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError})
	for b.Loop() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		if w.Code != http.StatusOK {
			b.Fatal(w.Body)
		}
	}
}

func ExampleNew() {
	set := metrics.New(nil)
	stats := &dedup.Stats{} // for dedup.Options.Stats
	set.Dedup("etl", "id", stats)
	registry := client.NewRegistry()
	registry.MustRegister(prometheus.New(set))

	stats.Claims.Add(3)
	families, err := registry.Gather()
	fmt.Println(families[0].GetName(), families[0].GetMetric()[0].GetCounter().GetValue(), err)
	// Output: onceflow_dedup_claims_total 3 <nil>
}
