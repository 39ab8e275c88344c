package otel

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/metrics"
)

// Options say where to; what is nil gets nothing.
type Options struct {
	Meter  metric.MeterProvider
	Tracer trace.TracerProvider
}

// scope names the instrumentation.
const scope = "github.com/onceflow/onceflow/stream/otel"

// Start gives what set has to the providers from now on, as often as these ask. stop ends the metrics; spans end with the
// jobs. After an error nothing was started.
func Start(set *metrics.Set, opts *Options) (stop func() error, err error) {
	stop = func() error { return nil }
	if opts == nil {
		return stop, nil
	}
	if opts.Meter != nil {
		r, err := meter(set, opts.Meter.Meter(scope))
		if err != nil {
			return nil, fmt.Errorf("otel: %w", err)
		}
		stop = r.Unregister
	}
	if opts.Tracer != nil {
		s := &spans{tracer: opts.Tracer.Tracer(scope), last: map[*metrics.Job]*stream.CommitStatus{}}
		set.Watch(s.observe)
	}
	return stop, nil
}

// meter makes an instrument for each metric, and one callback for all.
func meter(set *metrics.Set, m metric.Meter) (metric.Registration, error) {
	instruments := map[*metrics.Metric]metric.Float64Observable{}
	labels := map[*metrics.Metric][]attribute.Key{}
	var all []metric.Observable
	for _, d := range metrics.All() {
		i, err := instrument(m, d)
		if err != nil {
			return nil, err
		}
		instruments[d] = i
		all = append(all, i)
		for _, l := range d.Labels {
			labels[d] = append(labels[d], attribute.Key(l))
		}
	}
	return m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		set.Collect(func(d *metrics.Metric, v float64, values ...string) {
			attrs := make([]attribute.KeyValue, len(values))
			for i, l := range values {
				attrs[i] = labels[d][i].String(l)
			}
			o.ObserveFloat64(instruments[d], v, metric.WithAttributes(attrs...))
		})
		return nil
	}, all...)
}

func instrument(m metric.Meter, d *metrics.Metric) (metric.Float64Observable, error) {
	if d.Kind == metrics.Counter {
		return m.Float64ObservableCounter(d.Name, metric.WithUnit(d.Unit), metric.WithDescription(d.Help))
	}
	return m.Float64ObservableGauge(d.Name, metric.WithUnit(d.Unit), metric.WithDescription(d.Help))
}

// spans makes spans of commits.
type spans struct {
	tracer trace.Tracer

	mu   sync.Mutex
	last map[*metrics.Job]*stream.CommitStatus
}

func (s *spans) observe(j *metrics.Job, st stream.Status) {
	c := st.Commit
	s.mu.Lock()
	fresh := c != nil && s.last[j] != c
	s.last[j] = c
	s.mu.Unlock()
	if !fresh {
		return
	}
	attrs := []attribute.KeyValue{
		attribute.String("onceflow.job", j.Name()), attribute.String("onceflow.instance", st.Instance), attribute.String("onceflow.reason", c.Reason),
		attribute.Int64("onceflow.entry", int64(c.Entry)), attribute.Int("onceflow.lanes", c.Lanes), attribute.Int64("onceflow.read", c.Read), //nolint:gosec // a ledger has fewer
	}
	for f, n := range c.Counts {
		if n > 0 {
			attrs = append(attrs, attribute.Int64("onceflow.records."+stream.Fate(f).String(), n)) //nolint:gosec // a fate is small
		}
	}
	var files, rows, bytes int64
	for _, sum := range c.Files {
		files, rows, bytes = files+sum.Files, rows+sum.Rows, bytes+sum.Bytes
	}
	attrs = append(attrs, attribute.Int64("onceflow.files", files), attribute.Int64("onceflow.rows", rows), attribute.Int64("onceflow.bytes", bytes))
	ctx, span := s.tracer.Start(context.Background(), "onceflow.commit", trace.WithNewRoot(), trace.WithTimestamp(c.Began), trace.WithAttributes(attrs...))
	at := c.Began
	for _, step := range []struct {
		name string
		took time.Duration
	}{{"onceflow.stage", c.Staging}, {"onceflow.append", c.Appending}, {"onceflow.publish", c.Publishing}} {
		if step.took > 0 {
			_, child := s.tracer.Start(ctx, step.name, trace.WithTimestamp(at))
			at = at.Add(step.took)
			child.End(trace.WithTimestamp(at))
		}
	}
	span.End(trace.WithTimestamp(c.Ended))
}
