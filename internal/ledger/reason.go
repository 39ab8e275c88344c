package ledger

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/onceflow/onceflow/stream/record"
)

// Reason is why some records of a Commit have no row: what a stage said when it dropped them, or for dead records the stage
// and the kind of error.
type Reason struct {
	Fate    string `json:"fate"`
	Why     string `json:"why"`
	Records int64  `json:"records"`
}

// FlowRows are rows of a flow.
type FlowRows struct {
	Flow string `json:"flow"`
	Rows int64  `json:"rows"`
}

// MaxReasons is how many reasons a Commit may have, and MaxWhy how many bytes each.
const (
	MaxReasons = 32
	MaxWhy     = 64
)

// ReasonsOf returns those of a cut in the order of a Commit.
func ReasonsOf(m map[record.Reason]int64) (list []Reason) {
	for r, n := range m {
		list = append(list, Reason{r.Fate.String(), r.Why, n})
	}
	slices.SortFunc(list, Reason.compare)
	return list
}

func (r Reason) compare(o Reason) int {
	return cmp.Or(cmp.Compare(fateNumber(r.Fate), fateNumber(o.Fate)), cmp.Compare(r.Why, o.Why))
}

func fateNumber(name string) int {
	for f := range record.Fates {
		if record.Fate(f).String() == name {
			return f
		}
	}
	return -1
}

// RowsByFlow returns those that are not 0 in the order of a Commit.
func RowsByFlow(m map[string]int64) (list []FlowRows) {
	for _, flow := range slices.Sorted(maps.Keys(m)) {
		if m[flow] != 0 {
			list = append(list, FlowRows{flow, m[flow]})
		}
	}
	return list
}

// checkReasons checks why records have no row. left counts the records of all partitions by fate; the reasons of a fate
// must not count more.
func checkReasons(reasons []Reason, left record.Counts) error {
	if len(reasons) > MaxReasons {
		return fmt.Errorf("%d reasons, at most %d are allowed", len(reasons), MaxReasons)
	}
	for i, r := range reasons {
		f := fateNumber(r.Fate)
		if f < 0 || r.Records < 1 || i > 0 && reasons[i-1].compare(r) >= 0 {
			return fmt.Errorf("reason %q of fate %q with %d records, or not in order", r.Why, r.Fate, r.Records)
		}
		if r.Why == "" || len(r.Why) > MaxWhy || !utf8.ValidString(r.Why) || strings.ContainsFunc(r.Why, isControl) {
			return fmt.Errorf("reason %q is empty, too long or not text", r.Why)
		}
		if left[f] -= r.Records; left[f] < 0 {
			return fmt.Errorf("%d more records have a reason to be %s than are", -left[f], r.Fate)
		}
	}
	return nil
}

func checkLateDropped(dropped []FlowRows) error {
	for i, d := range dropped {
		if d.Rows < 1 || i > 0 && dropped[i-1].Flow >= d.Flow {
			return errors.New("rows that were dropped since they are late are none, or not in order")
		}
		if err := checkName("flow", d.Flow); err != nil {
			return err
		}
	}
	return nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }
