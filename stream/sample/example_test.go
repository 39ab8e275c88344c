package sample_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/sample"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// At most two events of an address in a minute pass, also if the process dies in between.
func ExampleLimit() {
	var t testing.T // a test has its own
	at := time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC)

	l := streamtest.Open(&t, sample.Limit(2, time.Minute, func(ip *string) string { return *ip }, nil))
	for i := range 4 {
		fmt.Println(l.Feed(at.Add(time.Duration(i)*20*time.Second), "10.0.0.7"))
		l.Crash()
	}
	// Output:
	// [10.0.0.7]
	// [10.0.0.7]
	// []
	// [10.0.0.7]
}
