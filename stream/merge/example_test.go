package merge_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/merge"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// Two data centres, each with a log of its own. With Kafka, europe is kafka.Open's and america is kafka.OpenGiven's.
func ExampleOpen() {
	europe, america := streamtest.NewLog(1), streamtest.NewLog(1)
	for second, what := range []string{"view", "", "click", "", "view"} {
		at := time.Date(2025, 5, 1, 6, 0, second, 0, time.UTC)
		if what != "" {
			europe.Append(0, 0, at, what+" in Berlin")
		} else {
			america.Append(0, 0, at, "view in Boston")
		}
	}
	europe.EndAll()
	america.EndAll()

	src, err := merge.Open(context.Background(), "eu", europe.Source(nil), map[string]merge.Given{"us": give(america)}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer src.Close()
	parse := func(r *stream.Record) (event, error) { return event{string(r.Value), r.Time}, nil }
	out := streamtest.NewLedger[event](&testing.T{})
	events := stream.Via(stream.From(src), stream.Decode(parse, (*event).eventTime))
	if err := stream.Run(context.Background(), events, out.Output(), nil); err != nil {
		fmt.Println(err)
	}
	for _, row := range out.Rows() {
		fmt.Println(row.Time.Format(time.TimeOnly), row.Value.text)
	}
	fmt.Printf("%+v\n", src.Counts()["us"])
	// Output:
	// 06:00:00 view in Berlin
	// 06:00:01 view in Boston
	// 06:00:02 click in Berlin
	// 06:00:03 view in Boston
	// 06:00:04 view in Berlin
	// {Records:2 Odd:0 Behind:0 Without:0}
}
