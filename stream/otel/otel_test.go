package otel_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/onceflow/onceflow/internal/fulljob"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/metrics"
	"github.com/onceflow/onceflow/stream/otel"
)

func collect(t *testing.T, r sdkmetric.Reader) []metricdata.Metrics {
	t.Helper()
	var got metricdata.ResourceMetrics
	if err := r.Collect(t.Context(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.ScopeMetrics) == 0 {
		return nil
	}
	return got.ScopeMetrics[0].Metrics
}

// The names, units and values are those that Prometheus gets.
func TestOpenTelemetryGetsAllMetrics(t *testing.T) {
	set, reader := fulljob.Set(500), sdkmetric.NewManualReader()
	stop, err := otel.Start(set, &otel.Options{Meter: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{} // by series
	var names []string
	for _, m := range collect(t, reader) {
		var points []metricdata.DataPoint[float64]
		kind := metrics.Gauge
		switch d := m.Data.(type) {
		case metricdata.Sum[float64]:
			points, kind = d.DataPoints, metrics.Counter
			if !d.IsMonotonic || d.Temporality != metricdata.CumulativeTemporality {
				t.Errorf("%s is no counter", m.Name)
			}
		case metricdata.Gauge[float64]:
			points = d.DataPoints
		}
		names = append(names, fmt.Sprintf("%s %s %s %s", m.Name, kind, m.Unit, m.Description))
		for _, p := range points {
			got[m.Name+p.Attributes.Encoded(attribute.DefaultEncoder())] = p.Value
		}
	}
	var want []string
	for _, m := range metrics.All() {
		want = append(want, fmt.Sprintf("%s %s %s %s", m.Name, m.Kind, m.Unit, m.Help))
	}
	slices.Sort(names)
	slices.Sort(want)
	if !slices.Equal(names, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(names, "\n"), strings.Join(want, "\n"))
	}
	series := 0
	set.Collect(func(m *metrics.Metric, v float64, labels ...string) {
		var attrs []attribute.KeyValue
		for i, l := range labels {
			attrs = append(attrs, attribute.String(m.Labels[i], l))
		}
		of := attribute.NewSet(attrs...)
		if x, ok := got[m.Name+of.Encoded(attribute.DefaultEncoder())]; !ok || x != v {
			t.Errorf("%s %q is %v, want %v", m.Name, labels, x, v)
		}
		series++
	})
	if series != len(got) {
		t.Errorf("got %d series, want %d", len(got), series)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if left := collect(t, reader); len(left) != 0 {
		t.Errorf("after stop there are %d", len(left))
	}
}

func TestACommitIsATraceOfItsSteps(t *testing.T) {
	set, exporter := metrics.New(nil), tracetest.NewInMemoryExporter()
	if _, err := otel.Start(set, &otel.Options{Tracer: sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))}); err != nil {
		t.Fatal(err)
	}
	job := set.Job("etl", nil)
	job.Observe(stream.Status{})
	st := fulljob.Status(fulljob.Now)
	job.Observe(st)
	job.Observe(st) // a second later, without another commit
	got := exporter.GetSpans()
	var names []string
	for _, s := range got {
		names = append(names, s.Name)
	}
	if want := []string{"onceflow.stage", "onceflow.append", "onceflow.publish", "onceflow.commit"}; !slices.Equal(names, want) {
		t.Fatalf("got %q, want %q", names, want)
	}
	commit := got[3]
	if !commit.StartTime.Equal(st.Commit.Began) || !commit.EndTime.Equal(st.Commit.Ended) || commit.Parent.IsValid() {
		t.Errorf("the commit took from %s to %s", commit.StartTime, commit.EndTime)
	}
	if d := got[1].EndTime.Sub(got[1].StartTime); d != 90*time.Millisecond || !got[1].StartTime.Equal(got[0].EndTime) || got[1].Parent.SpanID() != commit.SpanContext.SpanID() {
		t.Errorf("the append took %s, from %s", d, got[1].StartTime)
	}
	if !slices.Contains(commit.Attributes, attribute.Int64("onceflow.records.dead", 6000)) || !slices.Contains(commit.Attributes, attribute.Int64("onceflow.files", 13)) {
		t.Errorf("it has %v", commit.Attributes)
	}
}

func TestNothingIsStartedWithoutProviders(t *testing.T) {
	for _, o := range []*otel.Options{nil, {}} {
		stop, err := otel.Start(metrics.New(nil), o)
		if err != nil || stop() != nil {
			t.Errorf("got %v", err)
		}
	}
}

// A service exports what its jobs tell.
func ExampleStart() {
	set, reader := metrics.New(nil), sdkmetric.NewManualReader()
	stop, err := otel.Start(set, &otel.Options{Meter: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = stop() }()
	set.Job("etl", nil).Observe(stream.Status{Lanes: 3})

	var got metricdata.ResourceMetrics
	err = reader.Collect(context.Background(), &got)
	for _, m := range got.ScopeMetrics[0].Metrics {
		if m.Name == "onceflow_lanes" {
			fmt.Println(m.Name, m.Data.(metricdata.Gauge[float64]).DataPoints[0].Value, err)
		}
	}
	// Output: onceflow_lanes 3 <nil>
}
