// Package metrics collects what a process tells of its jobs, and describes each metric once: its name, unit, labels and
// meaning. Package stream/prometheus and package stream/otel render the same list, and package stream/monitor shows the
// same facts as a page. docs/metrics.md has the list for people, with what to alarm on.
//
// # Cost
//
// Nothing is counted for single records. The engine tells its stream.Status once a second and at each commit; values are
// read from that, and from counters that stages and stores have anyway, when somebody asks.
//
// # Bounds
//
// Whatever events hold, the number of series is bounded: labels are names from the program, fates, kinds, at most 64
// reasons of a job and the rest as "other", and the Partitions of Options that are farthest behind, with sums of all. At
// different times these may be different partitions.
//
// # Way in
//
//	set := metrics.New(nil)
//	store = set.Store("s3", store)
//	out, err := sink.Open(ctx, store, "etl", flows, nil)
//	job := set.Job("etl", out)
//	job.End(stream.Run(ctx, pipe, seal.Hourly(out, nil), &stream.Options{Observe: job.Observe, Logger: job.Logger(logger)}))
package metrics
