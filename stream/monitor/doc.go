// Package monitor serves the health of the jobs of a process, and a page that shows how they are: alarms, the hours from
// event time to seal and what each waits for, partitions with their clocks and holders, what became of records, commits,
// warnings and costs.
//
// The page is one document without anything from elsewhere. It shows values without a script and updates itself with one.
// It shows no record, but it shows texts of errors, which may quote some; so serve it where the log may be read.
//
// # Way in
//
//	set := metrics.New(nil) // see package metrics for what to do with it
//	http.Handle("/", monitor.New(set, nil))
//
// The paths are /healthz, /readyz and /, behind any prefix that http.StripPrefix takes away. docs/operations.md says what
// Kubernetes should do with the first two.
package monitor
