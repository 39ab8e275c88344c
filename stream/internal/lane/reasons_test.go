package lane

import (
	"maps"
	"strings"
	"testing"

	"github.com/onceflow/onceflow/stream/record"
)

// Each dead record has one reason, whoever rejected it, and a label of Drop counts for the fate that was given.
func TestEachDeadRecordHasAReason(t *testing.T) {
	l := newTestLane(t, nil, &say{})
	l.feed(0, "a a:reject=why1", "", "c c:emit=bad", "d d:drop=twin", "e e:emit=bad e:drop=twin", "f f:emit=bad f:emit=x", "g g:emit=late")
	cut := l.cut()
	want := map[record.Reason]int64{
		{Fate: record.Dead, Why: "say: why#"}: 1, {Fate: record.Dead, Why: "decode: empty"}: 1, {Fate: record.Dead, Why: "output: cannot be written"}: 2, {Fate: record.Duplicate, Why: "twin"}: 1,
	}
	got := map[record.Reason]int64{}
	for r, n := range cut.Reasons {
		if i := strings.LastIndex(r.Why, "say"); i >= 0 {
			r.Why = r.Why[i:]
		}
		got[r] = n
	}
	if !maps.Equal(got, want) {
		t.Errorf("reasons %v, want %v", got, want)
	}
	if n := cut.Counts[testParts[0]][record.Dead]; n != 4 {
		t.Errorf("%d records are dead, want 4", n)
	}
	l.feed(0, "z z:emit=x")
	if cut := l.cut(); len(cut.Reasons)+len(cut.Examples) > 0 {
		t.Errorf("the next cut has %v and %v again", cut.Reasons, cut.Examples)
	}
}
