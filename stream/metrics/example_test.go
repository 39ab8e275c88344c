package metrics_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/metrics"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// A service reads metrics of its job, whichever way they leave it.
func ExampleSet() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	src := streamtest.NewLog(1, 1)
	for i := range 40 {
		src.Append(i%2, 0, time.Date(2025, 5, 1, 12, i, 0, 0, time.UTC), "hit")
	}

	set := metrics.New(nil)
	store := set.Store("memory", sinktest.NewMemory())
	out, err := sink.Open(ctx, store, "etl", []sink.Flow[string]{{Name: "hits", Format: format.JSONLines[string]()}}, nil)
	if err != nil {
		log.Fatal(err)
	}
	job := set.Job("etl", out)
	hits := stream.Via(stream.From(src.Source(nil)), stream.Decode(func(r *stream.Record) (string, error) { return string(r.Value), nil }, nil))
	err = job.End(stream.Run(ctx, hits, seal.Hourly(out, nil), &stream.Options{
		CommitEvery: 10 * time.Millisecond, Logger: job.Logger(nil),
		Observe: func(st stream.Status) {
			job.Observe(st)
			if st.Counts.Sum() == 40 {
				cancel()
			}
		},
	}))
	if err != nil {
		log.Fatal(err)
	}
	set.Collect(func(m *metrics.Metric, v float64, labels ...string) {
		switch m.Name {
		case "onceflow_records_total", "onceflow_rows_total", "onceflow_partitions":
			if v > 0 {
				fmt.Println(m.Name, labels, v)
			}
		}
	})
	// Output:
	// onceflow_records_total [etl written] 40
	// onceflow_rows_total [etl hits data] 40
	// onceflow_partitions [etl open] 2
}
