package metrics_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/dedup"
	"github.com/onceflow/onceflow/internal/fulljob"
	"github.com/onceflow/onceflow/scaler"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/audit"
	"github.com/onceflow/onceflow/sink/delivery"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/metrics"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/workers"
)

var rows = regexp.MustCompile("(?m)^\\| `(onceflow_[a-z_]+)` \\| ([a-z]+) \\| ([^|]*) \\| ([^|]*) \\| ([^|]*) \\|")

// The list for people is the one that the code has, in its order.
func TestTheDocumentHasEachMetric(t *testing.T) {
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, m := range rows.FindAllStringSubmatch(string(text), -1) {
		got = append(got, strings.Join(m[1:], " | "))
	}
	for _, m := range metrics.All() {
		want = append(want, fmt.Sprintf("%s | %s | %s | %s | %s", m.Name, m.Kind, m.Unit, strings.Join(m.Labels, ", "), m.Help))
	}
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("row %d of docs/metrics.md is not what the code has.\ngot  %q\nwant %q", i+1, at(got, i), at(want, i))
		}
	}
}

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return ""
}

// What Prometheus and OpenTelemetry ask of names, and what everybody may expect of ours.
func TestNamesAreAsTheyShould(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range metrics.All() {
		if seen[m.Name] || !regexp.MustCompile(`^onceflow_[a-z0-9_]+$`).MatchString(m.Name) {
			t.Errorf("%s is there twice, or no name", m.Name)
		}
		seen[m.Name] = true
		if (m.Kind == metrics.Counter) != strings.HasSuffix(m.Name, "_total") {
			t.Errorf("%s is a %s", m.Name, m.Kind)
		}
		if base := strings.TrimSuffix(m.Name, "_total"); (m.Unit == "s") != strings.HasSuffix(base, "_seconds") || (m.Unit == "By") != strings.HasSuffix(base, "bytes") {
			t.Errorf("%s has the unit %s", m.Name, m.Unit)
		}
		if !strings.HasSuffix(m.Help, ".") || strings.ContainsAny(m.Help, "|\n") || len(m.Labels) > 3 {
			t.Errorf("%s: help %q, labels %q", m.Name, m.Help, m.Labels)
		}
	}
}

// Every metric has a value if all is known, each series is there once, and labels are fit to be such.
func TestEveryMetricIsCollected(t *testing.T) {
	left := map[*metrics.Metric]bool{}
	for _, m := range metrics.All() {
		left[m] = true
	}
	seen := map[string]bool{}
	fulljob.Set(300).Collect(func(m *metrics.Metric, v float64, labels ...string) {
		delete(left, m)
		series := fmt.Sprintf("%s %q", m.Name, labels)
		if seen[series] || len(labels) != len(m.Labels) {
			t.Errorf("%s is there twice, or has not the labels %q", series, m.Labels)
		}
		seen[series] = true
	})
	for m := range left {
		t.Errorf("%s has no value", m.Name)
	}
}

// A Prometheus once had a series for each partition and each kind of error, until it had no memory.
func TestTheNumberOfSeriesIsBounded(t *testing.T) {
	count := func(partitions int) (n int) {
		fulljob.Set(partitions).Collect(func(*metrics.Metric, float64, ...string) { n++ })
		return n
	}
	if few, many := count(100), count(5000); few != many {
		t.Errorf("100 partitions make %d series, 5,000 make %d", few, many)
	}
	set := metrics.New(nil)
	long := strings.Repeat("ö", 1000) + "\xff"
	job := set.Job(long, nil)
	job.Observe(stream.Status{Reasons: map[stream.Reason]int64{{Fate: stream.Dead, Why: long}: 1}})
	set.Collect(func(m *metrics.Metric, _ float64, labels ...string) {
		for _, l := range labels {
			if len(l) > 128 || strings.ToValidUTF8(l, "") != l {
				t.Errorf("%s has a label of %d bytes: %q", m.Name, len(l), l)
			}
		}
	})
}

func TestWhatIsNotKnownHasNoSample(t *testing.T) {
	set := metrics.New(nil)
	job := set.Job("etl", nil)
	if text(t, set) != "" {
		t.Errorf("a job that has told nothing has\n%s", text(t, set))
	}
	job.Observe(stream.Status{Delay: -1, Lag: driver.Lag{Records: -1}})
	got := text(t, set)
	for _, name := range []string{"lag_records", "delay_seconds", "retention_left_seconds", "oldest_pending", "earliest_hour", "sealed_until", "partition", "merge"} {
		if strings.Contains(got, "onceflow_"+name) {
			t.Errorf("%s has a value", name)
		}
	}
	if !strings.Contains(got, "onceflow_stalled{job=\"etl\"} 0\n") {
		t.Errorf("no value of stalled in\n%s", got)
	}
}

func text(t *testing.T, set *metrics.Set) string {
	t.Helper()
	var b strings.Builder
	if err := set.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTheTextIsThatOfPrometheus(t *testing.T) {
	set := metrics.New(nil)
	set.Dedup(`a"b\c`+"\n", "id", &dedup.Stats{})
	want := "# HELP onceflow_dedup_claims_total Records that asked for their ID.\n# TYPE onceflow_dedup_claims_total counter\n" +
		`onceflow_dedup_claims_total{job="a\"b\\c\n",stage="id"} 0` + "\n"
	if got := text(t, set); !strings.HasPrefix(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if err := fulljob.Set(1).WriteText(failing{}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v", err)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// An alarm on a series that is not there never fires.
func TestWhatAnAuditDidNotFindIsZero(t *testing.T) {
	set := metrics.New(nil)
	set.Audit("etl")(&audit.Report{
		Sum: audit.Sum{Lines: 29, Missing: 8, Words: map[audit.Word]int64{audit.Gone: 1}}, Away: []audit.Away{{What: audit.InNotes}, {What: audit.InNotes}},
	})
	got := text(t, set)
	for _, want := range []string{
		`batches{job="etl",word="gone"} 1`, `batches{job="etl",word="damaged"} 0`, `lines{job="etl"} 29`, `lines_missing{job="etl"} 8`,
		`away{job="etl",what="notes"} 2`, `away{job="etl",what="registry"} 0`,
	} {
		if !strings.Contains(got, "onceflow_audit_"+want+"\n") {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
}

// A stage that is opened again under its name, as in a job that begins again, once made every scrape fail.
func TestASecondOfANameTakesThePlaceOfTheFirst(t *testing.T) {
	set := metrics.New(nil)
	for range 2 {
		set.Job("etl", nil).Observe(stream.Status{Lanes: 3})
		set.Dedup("etl", "id", &dedup.Stats{})
		set.Workers("etl", "geo", func() workers.Status { return workers.Status{} })
		set.Delivery("pg", func() delivery.Status { return delivery.Status{} })
		set.Audit("etl")(&audit.Report{})
		set.Scaler("etl")(scaler.Decision{})
		set.Store("s3", sinktest.NewMemory())
	}
	seen := map[string]bool{}
	set.Collect(func(m *metrics.Metric, _ float64, labels ...string) {
		series := fmt.Sprintf("%s %q", m.Name, labels)
		if seen[series] {
			t.Errorf("%s is there twice", series)
		}
		seen[series] = true
	})
	if got := set.Jobs(); len(got) != 1 || got[0].Name() != "etl" {
		t.Errorf("there are %d jobs", len(got))
	}
}

func TestACountedStoreKeepsTheContract(t *testing.T) {
	s := metrics.New(nil).Store("memory", sinktest.NewMemory())
	sinktest.Run(t, sinktest.Config{Open: func(*testing.T, sinktest.Place) (sink.Store, error) { return s, nil }})
}

func TestCallsAreCountedByOutcome(t *testing.T) {
	ctx, set := t.Context(), metrics.New(nil)
	s := set.Store("memory", sinktest.NewMemory())
	if err := s.Create(ctx, "a", []byte("body")); err != nil {
		t.Fatal(err)
	}
	if err := s.Create(ctx, "a", nil); !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
	if _, err := s.Read(ctx, "b", 10); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if _, err := s.Read(ctx, "a", 10); err != nil {
		t.Fatal(err)
	}
	got := text(t, set)
	for _, want := range []string{
		`calls_total{store="memory",call="create",outcome="ok"} 1`, `calls_total{store="memory",call="create",outcome="exists"} 1`,
		`calls_total{store="memory",call="read",outcome="not_found"} 1`, `bytes_total{store="memory",direction="read"} 4`,
		`bytes_total{store="memory",direction="written"} 4`, `calls_total{store="memory",call="list",outcome="failed"} 0`,
	} {
		if !strings.Contains(got, "onceflow_store_"+want+"\n") {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if c := set.Stores(); len(c) != 1 || c[0] != (metrics.StoreCosts{Store: "memory", Calls: 4, Read: 4, Written: 4}) {
		t.Errorf("it cost %+v", c)
	}
}

func TestWarningsAreKeptAndCounted(t *testing.T) {
	set := metrics.New(nil)
	job := set.Job("etl", nil)
	var out strings.Builder
	log := job.Logger(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelError}))).With("instance", "pod-1").WithGroup("g")
	log.Info("nothing")
	for i := range metrics.Most + 5 {
		log.Warn("odd", "n", i, "error", errors.New("<b>"))
	}
	log.Error("bad", "text", strings.Repeat("x", 5000))
	got := job.Warnings()
	if len(got) != metrics.Most || got[0].Text != "odd instance=pod-1 g.n=6 g.error=<b>" || len(got[metrics.Most-1].Text) != 1000 {
		t.Errorf("kept %d: %+v", len(got), got)
	}
	if strings.Contains(out.String(), "odd") || !strings.Contains(out.String(), "bad") {
		t.Errorf("the logger below got %q", out.String())
	}
	job.Observe(stream.Status{})
	if text := text(t, set); !strings.Contains(text, `log_lines_total{job="etl",level="warn"} 25`) || !strings.Contains(text, `log_lines_total{job="etl",level="error"} 1`) {
		t.Errorf("got\n%s", text)
	}
	job.Logger(nil).Warn("nowhere else")
}

func TestCommitsAreKeptOnce(t *testing.T) {
	set := metrics.New(nil)
	job := set.Job("etl", nil)
	seen := 0
	set.Watch(func(j *metrics.Job, st stream.Status) {
		if j != job || st.Lanes != 1 {
			t.Errorf("watched %s, %+v", j.Name(), st)
		}
		seen++
	})
	for i := range metrics.Most + 1 {
		st := stream.Status{Lanes: 1, Commit: &stream.CommitStatus{Entry: uint64(i + 1)}}
		job.Observe(st)
		job.Observe(st)
	}
	got := job.Commits()
	if len(got) != metrics.Most || got[0].Entry != 2 || got[metrics.Most-1].Entry != metrics.Most+1 || seen != 2*(metrics.Most+1) {
		t.Errorf("kept %d, the first %d, the last %d; watched %d", len(got), got[0].Entry, got[len(got)-1].Entry, seen)
	}
	if err := job.End(context.Canceled); !errors.Is(err, context.Canceled) {
		t.Errorf("End returned %v", err)
	}
	if ended, err := job.Ended(); !ended || err == nil {
		t.Errorf("ended %v, %v", ended, err)
	}
}

func TestThoseFarthestBehindComeFirst(t *testing.T) {
	s := fulljob.State(50)
	p := record.Partition{Source: "hits", ID: "new"}
	s.Partitions[p] = sink.PartitionState{}
	s.Partitions[record.Partition{ID: "gone"}] = sink.PartitionState{Retired: true}
	s.Partitions[record.Partition{ID: "over"}] = sink.PartitionState{Progress: driver.Progress{Ended: true}}
	list, sums := metrics.Behind(s, 10)
	if len(list) != 10 || list[0].Partition != p || sums.Unknown != 1 || sums.Open != 50 || sums.Ended != 1 || sums.Retired != 1 {
		t.Errorf("got %d, the first %s; %+v", len(list), list[0].Partition, sums)
	}
	if !slices.IsSortedFunc(list, func(a, b metrics.Partition) int {
		return a.State.Progress.Watermark.Compare(b.State.Progress.Watermark)
	}) {
		t.Error("they are in no order")
	}
	if list, _ := metrics.Behind(s, -1); len(list) != 0 {
		t.Errorf("-1 gives %d", len(list))
	}
}

// Status is told once a second, by the engine: what it costs is divided by the events of a second.
func BenchmarkObserve(b *testing.B) {
	job := metrics.New(nil).Job("etl", nil)
	st := fulljob.Status(time.Now())
	for b.Loop() {
		job.Observe(st)
	}
}

// A scrape of 5,000 partitions, after each of which the ledger has moved on.
func BenchmarkScrape5000Partitions(b *testing.B) {
	set := fulljob.Set(5000)
	for b.Loop() {
		if err := set.WriteText(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}
