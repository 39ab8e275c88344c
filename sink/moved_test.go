package sink_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// adoptIn takes partitions over in a lane of another name than theirs, and begins a transaction.
func (in *instance) acquireIn(lane string, parts ...string) map[record.Partition]driver.Progress {
	in.t.Helper()
	a := driver.Assignment{Lane: lane}
	for _, p := range parts {
		a.Partitions = append(a.Partitions, part(p))
	}
	got, err := in.out.Acquire(testContext(in.t), []driver.Assignment{a})
	if err != nil {
		in.t.Fatalf("acquire: %v", err)
	}
	in.txn = in.out.Begin(nil)
	return got
}

// T20b: a partition that moves takes the lane that it leaves along: work there, of whoever had it before, is void, also if
// it was prepared before the move. The move alone is worth an entry.
func TestMovedPartitionsTouchTheLaneThatTheyLeave(t *testing.T) {
	store, _ := memory(noon)
	old, young := open(t, store, nil, nil, rowsFlow("rows")), open(t, store, nil, nil, rowsFlow("rows"))
	old.acquire("a")
	old.write("a", noon, 1)
	old.commit()
	old.write("a", noon, 2)

	at := young.acquireIn("b", "a")
	cut := driver.Cut{Lanes: []driver.LaneCut{{Lane: "b", Partitions: at}}}
	if _, err := young.txn.Commit(testContext(t), cut); err != nil {
		t.Fatalf("commit of the move: %v", err)
	}
	if err := old.tryCommit(); !errors.Is(err, driver.ErrFenced) {
		t.Errorf("commit in the lane that was left: %v, want ErrFenced", err)
	}
	known, err := old.out.Ledger().Tell(testContext(t))
	if err != nil || known[part("a")].Lane != "b" || known[part("a")].UpTo.Sub != 1 {
		t.Errorf("the ledger has %+v (%v), want the partition at 1 in lane b", known, err)
	}
	old.acquire("a") // whoever looked at an old ledger takes it back, and fences the other
	old.write("a", noon, 2)
	old.commit()
	young.txn = young.out.Begin(nil)
	if _, err := young.txn.Write(testContext(t), driver.Writer{Lane: "b"}, []record.Event[row]{{Value: row{ID: 2}, Time: noon}}, make([]record.Fate, 1)); err != nil {
		t.Fatal(err)
	}
	next := at[part("a")]
	next.UpTo.Sub++
	next.MaxEventTime = noon
	cut.Lanes[0].Partitions = map[record.Partition]driver.Progress{part("a"): next}
	cut.Lanes[0].Read = map[record.Partition]int64{part("a"): 1}
	cut.Lanes[0].Counts = map[record.Partition]record.Counts{part("a"): {record.Written: 1}}
	if _, err := young.txn.Commit(testContext(t), cut); !errors.Is(err, driver.ErrFenced) {
		t.Errorf("commit in a lane whose partition was taken back: %v, want ErrFenced", err)
	}
	if got := visible(t, store, "rows/"); !slices.Equal(got, []int{1, 2}) {
		t.Errorf("rows %v, want 1 and 2", got)
	}
}
