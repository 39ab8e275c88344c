package stream

import "testing"

func TestALaneThatHoldsOrHasChildrenIsNotOver(t *testing.T) {
	a, b := Partition{ID: "a"}, Partition{ID: "b"}
	ended := Progress{UpTo: Position{Sub: 3}, Ended: true}
	holds, split := ended, ended
	holds.Held = HeldSet{First: Position{Sub: 2}, Through: 2, Ordinals: []uint32{0}}
	split.Children = []Partition{b}
	for name, c := range map[string]struct {
		at   map[Partition]Progress
		want bool
	}{
		"ended":            {map[Partition]Progress{a: ended, b: ended}, true},
		"one goes on":      {map[Partition]Progress{a: ended, b: {}}, false},
		"a record is held": {map[Partition]Progress{a: holds}, false},
		"it was split":     {map[Partition]Progress{a: split}, false},
		"no partition":     {nil, false},
	} {
		if got := isOver(c.at); got != c.want {
			t.Errorf("%s: over is %v, want %v", name, got, c.want)
		}
	}
}
