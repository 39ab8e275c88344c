package audit_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"time"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/audit"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// An endpoint answers its client once the events are kept and registered. That the source is away makes no difference.
func ExampleBatcher() {
	ctx := context.Background()
	folder, err := audit.OpenFolder(ctx, sinktest.NewMemory(), "clicks")
	if err != nil {
		log.Fatal(err)
	}
	registry := audit.NewObjects(folder)
	away := audit.SenderFunc(func(context.Context, []audit.Line) error { return fmt.Errorf("no broker answers") })
	batcher, err := audit.OpenBatcher(ctx, folder, registry, away, &audit.BatcherOptions{Age: time.Millisecond})
	if err != nil {
		log.Fatal(err)
	}
	receipt, err := batcher.Add(ctx, []audit.Event{{Value: []byte(`{"id":1}`)}, {Value: []byte(`{"id":2}`)}})
	fmt.Println("accepted:", receipt.Lines, err)

	lines, err := folder.Lines(ctx, receipt.ID)
	fmt.Println("kept:", string(lines[0].Event.Value), string(lines[1].Event.Value), err)
	now := receipt.ID.Time()
	for r, err := range registry.List(ctx, now, now.Add(time.Second)) {
		fmt.Println("registered:", r.ID == receipt.ID, r.Lines, err)
	}
	// Output:
	// accepted: 2 <nil>
	// kept: {"id":1} {"id":2} <nil>
	// registered: true 2 <nil>
}

// Of three accepted events one is lost on the way. The audit finds it in the batch and the job's notes.
func ExampleCheck() {
	ctx := context.Background()
	store := sinktest.NewMemory()
	folder, err := audit.OpenFolder(ctx, store, "clicks")
	if err != nil {
		log.Fatal(err)
	}
	registry := audit.NewObjects(folder)

	source := streamtest.NewLog(1)
	lossy := audit.SenderFunc(func(_ context.Context, lines []audit.Line) error {
		for _, l := range lines {
			if l.Mark.Line != 2 {
				source.Append(0, 0, time.Now(), string(append(l.Mark.AppendPrefix(nil), l.Event.Value...)))
			}
		}
		source.EndAll() // so that the job ends
		return nil
	})
	batcher, err := audit.OpenBatcher(ctx, folder, registry, lossy, &audit.BatcherOptions{Lines: 3})
	if err != nil {
		log.Fatal(err)
	}
	receipt, err := batcher.Add(ctx, []audit.Event{{Value: []byte("a")}, {Value: []byte("b")}, {Value: []byte("c")}})
	if err != nil {
		log.Fatal(err)
	}
	if err := batcher.Close(ctx); err != nil {
		log.Fatal(err)
	}

	flows := []sink.Flow[string]{{Name: "rows", Format: format.Lines(".txt", func(dst []byte, s *string) ([]byte, error) { return append(dst, *s...), nil })}}
	out, err := sink.Open(ctx, store, "etl", flows, nil)
	if err != nil {
		log.Fatal(err)
	}
	text := stream.Decode(func(r *stream.Record) (string, error) { return string(r.Value), nil }, func(*string) time.Time { return time.Now() })
	pipe := stream.Via(stream.Via(stream.From(source.Source(nil)), audit.Count(nil)), text)
	if err := stream.Run(ctx, pipe, out, nil); err != nil {
		log.Fatal(err)
	}

	config := audit.Config{Output: store, Job: "etl", Batches: folder, Registry: registry}
	begun := receipt.ID.Time()
	report, err := audit.Check(ctx, config, begun, begun.Add(time.Minute), &audit.Options{Deadline: time.Nanosecond})
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range report.Batches {
		fmt.Println(f.Words, "came", f.Came, "of", f.Lines, "missing", f.Missing)
	}
	// Output: [incomplete] came 2 of 3 missing [{2 2}]
}

// An auditor in its process: it sends again what is missing, and shows the last report to whoever scrapes it.
func ExampleRun() {
	ctx, cancel := context.WithCancel(context.Background())
	store := sinktest.NewMemory() // of the batches and of the job's output
	folder, err := audit.OpenFolder(ctx, store, "clicks")
	if err != nil {
		log.Fatal(err)
	}
	config := audit.Config{Output: store, Job: "etl", Batches: folder, Registry: audit.NewObjects(folder)}
	sender := audit.SenderFunc(func(context.Context, []audit.Line) error { return nil }) // New of sink/audit/kafka or kinesis

	var last atomic.Pointer[audit.Report]
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if r := last.Load(); r != nil {
			_ = r.WriteMetrics(w)
		}
	})
	err = audit.Run(ctx, config, sender, &audit.Options{
		Keep:   7 * 24 * time.Hour,
		Window: 8 * 24 * time.Hour, // dedup.Options.Window of the job
		Observe: func(r *audit.Report) {
			last.Store(r)
			cancel() // only here: a process goes on
		},
	})
	fmt.Println(err, last.Load().Why)

	scraped := httptest.NewRecorder()
	metrics.ServeHTTP(scraped, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for line := range strings.Lines(scraped.Body.String()) {
		if strings.HasPrefix(line, "onceflow_audit_away") {
			fmt.Print(line)
		}
	}
	// Output:
	// <nil> the job has not begun
	// onceflow_audit_away{what="registry"} 0
	// onceflow_audit_away{what="batches"} 0
	// onceflow_audit_away{what="notes"} 0
}
