package stream_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/streamtest"
)

type hit struct {
	ID    string
	At    time.Time
	Agent string
}

func (h *hit) EventTime() time.Time { return h.At }
func (h *hit) NotBot() bool         { return !strings.Contains(h.Agent, "bot") }

func parseHit(r *stream.Record) (h hit, err error) { return h, json.Unmarshal(r.Value, &h) }

// A job in memory: three records come in, one of them broken and one from a bot.
func Example() {
	log := streamtest.NewLog(1)
	log.Append(0, 0, time.Time{},
		`{"ID":"1","At":"2025-05-01T06:00:00Z","Agent":"Mozilla"}`,
		`{"ID":"2","At":"2025-05-01T06:00:01Z","Agent":"crawlbot"}`,
		`{"ID":`,
	)
	log.EndAll()

	hits := stream.Via(stream.From(log.Source(nil)), stream.Decode(parseHit, (*hit).EventTime))
	hits = stream.Via(hits, stream.Filter("bot", (*hit).NotBot))

	out := streamtest.NewLedger[hit](&testing.T{})
	if err := stream.Run(context.Background(), hits, out.Output(), nil); err != nil {
		fmt.Println(err)
	}
	for _, row := range out.Rows() {
		fmt.Println("row", row.Value.ID, "at", row.Time.Format(time.TimeOnly))
	}
	for _, d := range out.Dead() {
		fmt.Println("dead:", string(d.Record.Value), "at", d.Record.Position, "in stage", d.Stage)
	}
	fmt.Println("dropped:", out.Reasons())
	// Output:
	// row 1 at 06:00:00
	// dead: {"ID": at 3 in stage decode
	// dropped: map[bot:1]
}

// Clicks of two clusters in one job: each has lanes of its own, and their names stand before them.
func ExampleSources() {
	europe, america := streamtest.NewLog(1), streamtest.NewLog(2)
	at := time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC)
	europe.Append(0, 0, at, `{"ID":"1","At":"2025-05-01T06:00:00Z"}`)
	america.Append(0, 1, at, `{"ID":"2","At":"2025-05-01T06:00:00Z"}`)
	europe.EndAll()
	america.EndAll()
	src, err := stream.Sources(map[string]stream.Source{"eu": europe.Source(nil), "us": america.Source(nil)})
	if err != nil {
		fmt.Println(err)
		return
	}
	out := streamtest.NewLedger[hit](&testing.T{})
	parse := func(r *stream.Record) (h hit, err error) { return h, json.Unmarshal(r.Value, &h) }
	hits := stream.Via(stream.From(src), stream.Decode(parse, (*hit).EventTime))
	if err := stream.Run(context.Background(), hits, out.Output(), nil); err != nil {
		fmt.Println(err)
	}
	for _, row := range out.Rows() {
		fmt.Println("row", row.Value.ID)
	}
	// Unordered output:
	// row 1
	// row 2
}

// A stage is tested alone: no source, no output.
func ExampleFilter() {
	l := streamtest.Open(&testing.T{}, stream.Filter("bot", (*hit).NotBot))
	at := time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC)
	for _, h := range []hit{{ID: "1", Agent: "Mozilla"}, {ID: "2", Agent: "crawlbot"}} {
		for _, kept := range l.Feed(at, h) {
			fmt.Println("kept", kept.ID)
		}
	}
	fmt.Println("dropped", l.Reasons())
	// Output:
	// kept 1
	// dropped map[bot:1]
}

// One record that holds many events is one unit: if one line is broken, the whole record goes to the dead letters.
func ExampleDecodeMany() {
	lines := stream.DecodeMany(func(r *stream.Record, yield func(hit)) error {
		d := json.NewDecoder(strings.NewReader(string(r.Value)))
		for d.More() {
			var h hit
			if err := d.Decode(&h); err != nil {
				return err
			}
			yield(h)
		}
		return nil
	}, (*hit).EventTime)
	l := streamtest.Open(&testing.T{}, lines)
	l.Feed(time.Time{}, stream.Record{Value: []byte(`{"ID":"1","At":"2025-05-01T06:00:00Z"} {"ID":"2","At":"2025-05-01T06:00:01Z"}`)})
	l.Feed(time.Time{}, stream.Record{Value: []byte(`{"ID":"3","At":"2025-05-01T06:00:00Z"} {"ID":`)})
	for _, h := range l.Out {
		fmt.Println(h.ID)
	}
	fmt.Println("dead letters:", len(l.Rejected()))
	// Output:
	// 1
	// 2
	// dead letters: 1
}
