package fetch

import (
	"testing"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

func TestARestartAsksByTheEpochOfWhatWasRead(t *testing.T) {
	for _, c := range []struct {
		mark string
		want int32
	}{{"7", 7}, {"0", 0}, {"-1", -1}, {"", -1}, {"nonsense", -1}, {"99999999999", -1}} {
		k := newPlan(driver.Progress{UpTo: record.Position{Sub: 90}, Mark: c.mark, Pending: pendingAt(80)}, &driver.Start{}, 0)
		k.enter(replaying)
		if k.lastEpoch != -1 {
			t.Errorf("mark %q: pending records are asked for by epoch %d, which is of another place", c.mark, k.lastEpoch)
		}
		k.enter(following)
		if k.next != 90 || k.lastEpoch != c.want {
			t.Errorf("mark %q: offset %d is asked for by epoch %d, want 90 and %d", c.mark, k.next, k.lastEpoch, c.want)
		}
	}
	if k := newPlan(driver.Progress{Mark: "7"}, &driver.Start{}, 0); true {
		k.enter(following)
		if k.lastEpoch != -1 {
			t.Errorf("a partition of which nothing was read is asked for by epoch %d", k.lastEpoch)
		}
	}
}
