package dedup_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/onceflow/onceflow/dedup"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// A hit arrives twice, once before and once after the process died. The store was in its memory; it is filled again from
// the log.
func ExampleByID() {
	var t testing.T // a test has its own
	at := time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC)

	l := streamtest.Open(&t, dedup.ByID(dedup.NewMemory(nil), func(id *string) string { return *id }, nil))
	fmt.Println(l.Feed(at, "a"), l.Feed(at, "b"))
	l.Crash()
	fmt.Println(l.Feed(at.Add(time.Minute), "a"), l.Feed(at.Add(time.Minute), "c"))
	fmt.Println("duplicates:", l.Fates()[stream.Duplicate])
	// Output:
	// [a] [b]
	// [] [c]
	// duplicates: 1
}
