package window_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/streamtest"
	"github.com/onceflow/onceflow/stream/window"
)

// An address clicks again and again. The process dies after the third click, and the fourth one still is one too many.
func ExampleCount() {
	var t testing.T // a test has its own
	at := time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC)
	type Click struct{ IP, Kind string }

	l := streamtest.Open(&t, window.Count(func(c *Click) string { return c.IP }, 3, time.Minute,
		func(c *Click) Click { return Click{c.IP, "fraud"} }, nil))
	for i := range 5 {
		if i == 3 {
			l.Crash()
		}
		fmt.Println(l.Feed(at.Add(time.Duration(i)*time.Second), Click{"10.0.0.7", "click"}))
	}
	// Output:
	// [{10.0.0.7 click}]
	// [{10.0.0.7 click}]
	// [{10.0.0.7 click}]
	// [{10.0.0.7 click} {10.0.0.7 fraud}]
	// [{10.0.0.7 click}]
}
