package streamtest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// A whole pipe, with a source and an output in memory.
func ExampleLog() {
	log := streamtest.NewLog(1)
	at := time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC)
	log.Append(0, 0, at, "one", "two", "three")
	log.EndAll()
	ledger := streamtest.NewLedger[string](&testing.T{})
	p := stream.Via(stream.From(log.Source(nil)), stream.Decode(func(r *stream.Record) (string, error) { return string(r.Value), nil }, nil))
	p = stream.Via(p, stream.Filter("short", func(s *string) bool { return !strings.HasPrefix(*s, "t") }))
	if err := stream.Run(context.Background(), p, ledger.Output(), nil); err != nil {
		fmt.Println(err)
	}
	fmt.Println(ledger.Counts()[stream.Written], "written,", ledger.Counts()[stream.Filtered], "filtered")
	// Output: 1 written, 2 filtered
}
