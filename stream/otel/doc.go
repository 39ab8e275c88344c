// Package otel gives what a metrics.Set has to OpenTelemetry: its metrics to a meter provider, under the names of
// docs/metrics.md, and each commit as spans to a tracer provider. Both are the caller's, with their exporters.
//
// # Spans
//
// A transaction is a span "onceflow.commit" from the cut to its last published file, with the children "onceflow.stage",
// "onceflow.append" and "onceflow.publish". They are made once the commit is done, with its times, so they are roots of traces
// of their own and cost nothing before. A commit that fails has none; it is in the log and in onceflow_stalled.
//
// # Way in
//
//	stop, err := otel.Start(set, &otel.Options{Meter: meterProvider, Tracer: tracerProvider})
package otel
