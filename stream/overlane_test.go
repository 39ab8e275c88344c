package stream

import (
	"testing"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

func TestALaneThatHoldsOrHasChildrenIsNotOver(t *testing.T) {
	a, b := record.Partition{ID: "a"}, record.Partition{ID: "b"}
	ended := driver.Progress{UpTo: record.Position{Sub: 3}, Ended: true}
	holds, split := ended, ended
	holds.Pending = driver.PendingSet{First: record.Position{Sub: 2}, Through: 2, Ordinals: []uint32{0}}
	split.Children = []record.Partition{b}
	for name, c := range map[string]struct {
		at   map[record.Partition]driver.Progress
		want bool
	}{
		"ended":               {map[record.Partition]driver.Progress{a: ended, b: ended}, true},
		"one goes on":         {map[record.Partition]driver.Progress{a: ended, b: {}}, false},
		"a record is pending": {map[record.Partition]driver.Progress{a: holds}, false},
		"it was split":        {map[record.Partition]driver.Progress{a: split}, false},
		"no partition":        {nil, false},
	} {
		if got := isOver(c.at); got != c.want {
			t.Errorf("%s: over is %v, want %v", name, got, c.want)
		}
	}
}
