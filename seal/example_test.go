package seal_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"time"

	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/streamtest"
)

var noon = time.Date(2025, 5, 1, 12, 0, 0, 0, time.UTC)

type hit struct{ At time.Time }

func parse(r *stream.Record) (h hit, err error) { return h, json.Unmarshal(r.Value, &h) }
func (h *hit) time() time.Time                  { return h.At }

// job is a job over a log; its output is sealed.
func job(ctx context.Context, src *streamtest.Log, store sink.Store, observe func(stream.Status)) error {
	return jobWith(ctx, src, store, &stream.Options{CommitEvery: 10 * time.Millisecond}, observe)
}

func jobWith(ctx context.Context, src *streamtest.Log, store sink.Store, opts *stream.Options, observe func(stream.Status)) error {
	hits := stream.Via(stream.From(src.Source(nil)), stream.Decode(parse, (*hit).time))
	out, err := sink.Open(ctx, store, "etl", []sink.Flow[hit]{{Name: "hits", Format: format.JSONLines[hit]()}}, nil)
	if err != nil {
		return err
	}
	opts.Observe = observe
	return stream.Run(ctx, hits, seal.Hourly(out, nil), opts)
}

func appendHit(l *streamtest.Log, partition int, at time.Time) {
	l.Append(partition, 0, at, fmt.Sprintf(`{"At":%q}`, at.Format(time.RFC3339)))
}

// A report waits until the hour that it is about is complete, and then reads exactly its files.
func ExampleWait() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	src, store := streamtest.NewLog(1), sinktest.NewMemory()
	appendHit(src, 0, noon)
	appendHit(src, 0, noon.Add(59*time.Minute))
	appendHit(src, 0, noon.Add(80*time.Minute)) // past the end of the hour and the lateness of 15 minutes
	ended := make(chan error)
	go func() { ended <- job(ctx, src, store, nil) }()

	s, err := seal.Wait(ctx, store, "etl", noon, &seal.ReadOptions{Poll: 10 * time.Millisecond})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.Hour.Format("15:04"), "has", s.Flows["hits"].Rows, "rows")
	cancel()
	if err := <-ended; err != nil {
		log.Fatal(err)
	}
	// Output:
	// 12:00 has 2 rows
}

// The seal of 12h does not come. A producer of partition 1 has left a transaction open.
func ExampleExplain() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	src, store := streamtest.NewLog(1, 1), sinktest.NewMemory()
	for range 16 { // so many confirm how far the time is
		appendHit(src, 0, noon.Add(2*time.Hour))
		appendHit(src, 1, noon.Add(30*time.Minute))
	}
	src.OpenTransaction(1, 0, true)
	stopBehindAll := func(s stream.Status) {
		if s.Counts.Sum() == 32 {
			cancel()
		}
	}
	if err := job(ctx, src, store, stopBehindAll); err != nil {
		log.Fatal(err)
	}

	blockers, err := seal.Explain(context.Background(), store, "etl", noon, nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, b := range blockers {
		fmt.Println(b)
	}
	// Output:
	// partition log/1.0@1 is complete up to 2025-05-01T12:15:00Z, having seen events up to 2025-05-01T12:30:00Z
}
