package lane

import (
	"fmt"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// manyParts is a lane of n partitions.
func manyParts(t *testing.T, n int) (*Lane, []record.Partition, *memTxn) {
	t.Helper()
	parts := make([]record.Partition, n)
	for i := range parts {
		parts[i] = record.Partition{Source: "p", ID: fmt.Sprintf("%05d", i)}
	}
	chain := Then(Then(NoStages(), stage.Stage[record.Record, string](decode{})), stage.Stage[string, string](&say{}))
	txn := &memTxn{}
	var open driver.Txn[string] = txn
	c, err := Open(chain, Spec[string]{
		Assignment: driver.Assignment{Lane: "p", Partitions: parts, InOrder: true},
		Now:        func() time.Time { return start }, Wake: func() {}, Scratch: NewScratch(len(chain.Stages)), Txn: &open,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c, parts, txn
}

// A lane kept all partitions that had ended for as long as it lived, and each cut told all of them again.
func TestPartitionsThatHaveEndedLeaveTheLane(t *testing.T) {
	const n = 500
	c, parts, txn := manyParts(t, n)
	for i := range parts[1:] {
		p := &parts[i+1]
		orders := fmt.Sprintf("r%d r%d:emit=row%d", i, i, i)
		if i == 7 { // held until the end
			orders += " r7:hold"
		}
		if i == n-2 {
			orders += " r7:release"
		}
		b := &driver.Batch{Lane: "p", Ended: []driver.Ended{{Partition: *p}}}
		b.Records = []record.Record{{Partition: p, Position: record.Position{Sub: 1}, Value: []byte(orders), Time: minute(int64(i))}}
		if err := process(t.Context(), c, b); err != nil {
			t.Fatal(err)
		}
		cut, ok, err := c.Cut()
		if err != nil || !ok {
			t.Fatalf("cut %d: %v, %v", i, ok, err)
		}
		if g, ok := cut.Partitions[*p]; !ok || !g.Ended || cut.Read[*p] != 1 {
			t.Fatalf("cut %d says %+v of the partition that ended", i, g)
		}
		live := n - 2 - i + 3 // those that have not begun, with the first, the one that holds and the one that has just ended
		if most := 2 * live; len(c.parts.list) > most || len(c.parts.byID) != len(c.parts.list) {
			t.Fatalf("after %d partitions have ended there are %d, %d by ID, want at most %d", i+1, len(c.parts.list), len(c.parts.byID), most)
		}
	}
	if got := len(txn.rows); got != n-1 {
		t.Errorf("%d rows, want %d: also that of the record that was pending while others left", got, n-1)
	}
	cut, ok, err := c.Cut()
	if ok || err != nil {
		t.Errorf("a cut after the last says %+v, %v, want nothing", cut, err)
	}
	if eventTime := c.clocks.eventTime(); !eventTime.Equal(minute(n - 2)) {
		t.Errorf("event time %v, want %v: the first partition has not begun, so it is that of the newest", eventTime, minute(n-2))
	}
}
