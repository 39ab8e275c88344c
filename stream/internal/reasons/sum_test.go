package reasons

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/onceflow/onceflow/stream/record"
)

// T58: what has no room of its own counts as "other", so that the reasons of dead letters add up to the dead.
func TestReasonsOfATransactionAreBoundedAndAddUp(t *testing.T) {
	lanes := make([]map[record.Reason]int64, 3)
	want := map[record.Fate]int64{}
	for i := range lanes {
		lanes[i] = map[record.Reason]int64{{Fate: record.Filtered, Why: "bot"}: 1000}
		want[record.Filtered] += 1000
		for k := range 30 {
			n := int64(1 + k)
			lanes[i][record.Reason{Fate: record.Dead, Why: fmt.Sprint("kind ", k)}] = n
			lanes[i][record.Reason{Fate: record.Duplicate, Why: fmt.Sprint("copy ", k)}] = 1
			want[record.Dead], want[record.Duplicate] = want[record.Dead]+n, want[record.Duplicate]+1
		}
	}
	got := Sum(slices.Values(lanes))
	sum := map[record.Fate]int64{}
	for r, n := range got {
		sum[r.Fate] += n
	}
	if !maps.Equal(sum, want) || len(got) > txnReasons+record.Fates {
		t.Errorf("got %v in %d reasons, want %v in at most %d", sum, len(got), want, txnReasons+record.Fates)
	}
	if got[record.Reason{Fate: record.Filtered, Why: "bot"}] != 3000 || got[record.Reason{Fate: record.Dead, Why: "kind 29"}] != 90 {
		t.Errorf("got %v, want the most frequent ones by name", got)
	}
	if none := Sum(slices.Values(make([]map[record.Reason]int64, 2))); none != nil {
		t.Errorf("got %v of lanes without reasons, want nil", none)
	}
}

func TestReasonsOfAStatusAreBoundedAndAddUp(t *testing.T) {
	var sum map[record.Reason]int64
	for i := range 1000 {
		before := sum
		n := len(before)
		sum = Add(sum, map[record.Reason]int64{{Fate: record.Dead, Why: fmt.Sprint("kind ", i)}: 1, {Fate: record.Filtered, Why: "bot"}: 1})
		if len(before) != n {
			t.Fatal("a Status that was given away has changed")
		}
	}
	all := int64(0)
	for _, n := range sum {
		all += n
	}
	if all != 2000 || len(sum) > Most+record.Fates || sum[record.Reason{Fate: record.Filtered, Why: "bot"}] != 1000 {
		t.Errorf("%d records in %d reasons, want 2000 in at most %d", all, len(sum), Most+record.Fates)
	}
}
