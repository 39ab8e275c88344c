// Package prometheus gives what a metrics.Set has to the client library of Prometheus, as a Collector. docs/metrics.md has the
// list of metrics. Without the client library metrics.Set.WriteText does the same.
//
// # Way in
//
//	registry.MustRegister(prometheus.New(set))
//	http.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
package prometheus
