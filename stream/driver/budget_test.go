package driver_test

import (
	"testing"

	"github.com/onceflow/onceflow/stream/driver"
)

func TestABudgetOfNilIsNeverOver(t *testing.T) {
	var none *driver.Budget
	if none.Add(1<<40) || none.Used() != 0 || none.Limit() != 0 {
		t.Error("a nil budget counts")
	}
	b := driver.NewBudget(10)
	if b.Add(10) || !b.Add(1) || b.Used() != 11 || b.Limit() != 10 {
		t.Errorf("%d of %d used, want over at 11", b.Used(), b.Limit())
	}
}
