package kinesis

import (
	"fmt"
	"testing"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// A double in memory stands for the service; TestConformanceOnAServer does the same on an emulator.
func TestConformance(t *testing.T) {
	t.Parallel()
	f := newFake(3)
	for i := range 3 {
		for k := range 25 {
			f.put(i, fmt.Sprintf("k%d", k), fmt.Appendf(nil, "value %d of %d", k, i))
		}
	}
	streamtest.RunSource(t, func(t *testing.T) driver.Source { return f.open(t, nil) })
}
