package lane

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// Records that were merged and are let go together once had the whole group looked at for each of its members.
func TestAGroupThatEndsIsSettledInOnePass(t *testing.T) {
	allocated := func(n int) uint64 {
		l := newTestLane(t, nil, &say{})
		var end strings.Builder
		fmt.Fprint(&end, "end")
		for i := range n {
			l.feed(0, fmt.Sprintf("x%d x%d:hold x%d:emit=%d x%d:merge=x0", i, i, i, i, i))
			fmt.Fprintf(&end, " x%d:release", i)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		l.feed(0, end.String())
		runtime.ReadMemStats(&after)
		if len(l.txn.rows) != n || l.core.flight.slots.live != 0 {
			t.Fatalf("%d rows and %d records that are left, want %d and none", len(l.txn.rows), l.core.flight.slots.live, n)
		}
		return after.TotalAlloc - before.TotalAlloc
	}
	if few, many := allocated(200), allocated(800); many > 8*few {
		t.Errorf("%d bytes for a group of 200 and %d for one of 800: it grows with the square", few, many)
	}
}
