package ledger

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/record"
)

// Reasons come from stages and errors, so whatever they say, the entry must be one that everybody can read.
func TestReasonsAreNoMoreThanFates(t *testing.T) {
	with := func(r ...Reason) *Entry {
		e := commit(lane(newState(t), "a", 3, clock("10:00"), time.Time{}))
		e.Commit.Lanes[0].Partitions[0].Counts = record.Counts{record.Written: 1, record.Filtered: 1, record.Dead: 1}
		e.Commit.Reasons = r
		return e
	}
	good := []Reason{{"filtered", "bot", 1}, {"dead", "decode: é", 1}}
	if err := try(newState(t), with(good...)); err != nil {
		t.Errorf("%v: %v, want none", good, err)
	}
	var many []Reason
	for i := range MaxReasons + 1 {
		many = append(many, Reason{"dead", fmt.Sprintf("%04d", i), 1})
	}
	for name, r := range map[string][]Reason{
		"more than are dead":   {{"dead", "a", 2}},
		"more in two than are": {{"dead", "a", 1}, {"dead", "b", 1}},
		"another order":        {good[1], good[0]},
		"twice":                {good[0], good[0]},
		"no fate":              {{"lost", "a", 1}},
		"no records":           {{"dead", "a", 0}},
		"no text":              {{"dead", "", 1}},
		"too long":             {{"dead", strings.Repeat("x", MaxWhy+1), 1}},
		"a control character":  {{"dead", "a\nb", 1}},
		"not UTF-8":            {{"dead", "a\xff", 1}},
		"too many":             many,
	} {
		wantCorrupt(t, name, try(newState(t), with(r...)))
	}
	for name, d := range map[string][]FlowRows{"none": {{"a", 0}}, "order": {{"b", 1}, {"a", 1}}, "no name": {{"", 1}}} {
		e := with()
		e.Commit.LateDropped = d
		wantCorrupt(t, name, try(newState(t), e))
	}
}

func TestReasonsOfACutAreInOrder(t *testing.T) {
	got := ReasonsOf(map[record.Reason]int64{
		{Fate: record.Dead, Why: "b"}: 1, {Fate: record.Dead, Why: "a"}: 2, {Fate: record.Filtered, Why: "z"}: 3,
	})
	if want := "[{filtered z 3} {dead a 2} {dead b 1}]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}
