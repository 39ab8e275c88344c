package stream

import (
	"fmt"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// manyParts is a lane of n partitions.
func manyParts(t *testing.T, n int) (*laneCore, []record.Partition, *memTxn) {
	t.Helper()
	parts := make([]record.Partition, n)
	for i := range parts {
		parts[i] = record.Partition{Source: "p", ID: fmt.Sprintf("%05d", i)}
	}
	p := Via(Via(From(nil), Decode(func(r *record.Record) (string, error) { return string(r.Value), nil }, nil)), stage.Stage[string, string](&say{}))
	lane := stage.Lane{Name: "p", Partitions: parts, Now: func() time.Time { return benchStart }, Wake: func() {}}
	c, r, err := openLane(&p, lane, map[record.Partition]driver.Progress{}, newScratch(len(p.stages)))
	if err != nil {
		t.Fatal(err)
	}
	txn := &memTxn{}
	var open driver.Txn[string] = txn
	r.open, c.inOrder = &open, true
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
		if err := c.process(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		cut, ok, err := c.cut()
		if err != nil || !ok {
			t.Fatalf("cut %d: %v, %v", i, ok, err)
		}
		if g, ok := cut.Partitions[*p]; !ok || !g.Ended || cut.Read[*p] != 1 {
			t.Fatalf("cut %d says %+v of the partition that ended", i, g)
		}
		live := n - 2 - i + 3 // those that have not begun, with the first, the one that holds and the one that has just ended
		if most := 2 * live; len(c.parts) > most || len(c.byID) != len(c.parts) {
			t.Fatalf("after %d partitions have ended there are %d, %d by ID, want at most %d", i+1, len(c.parts), len(c.byID), most)
		}
	}
	if got := len(txn.rows); got != n-1 {
		t.Errorf("%d rows, want %d: also that of the record that was held while others left", got, n-1)
	}
	cut, ok, err := c.cut()
	if ok || err != nil {
		t.Errorf("a cut after the last says %+v, %v, want nothing", cut, err)
	}
	if seen := c.seen(); !seen.Equal(minute(n - 2)) {
		t.Errorf("event time %v, want %v: the first partition has not begun, so it is that of the newest", seen, minute(n-2))
	}
}
