package pebble_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/onceflow/onceflow/dedup"
	"github.com/onceflow/onceflow/dedup/pebble"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// IDs of a week are too many for memory, so they are on the local disk. A copy is known by its ID until the window is over.
func ExampleOpen() {
	var t testing.T // a test has its own
	dir, err := os.MkdirTemp("", "ids")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ids, err := pebble.Open(dir, &pebble.Options{Memory: 16 << 20})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ids.Close()

	at := time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC)
	l := streamtest.Open(&t, dedup.ByID(ids, func(id *string) string { return *id }, &dedup.Options{Window: 7 * 24 * time.Hour}))
	fmt.Println(l.Feed(at, "a"), l.Feed(at, "b"))
	fmt.Println(l.Feed(at.Add(6*24*time.Hour), "a"), l.Feed(at.Add(6*24*time.Hour), "c"))
	// Output:
	// [a] [b]
	// [] [c]
}
