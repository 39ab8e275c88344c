package sink_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

func TestTheFirstToCommitALaneWinsAndTheOtherIsVoid(t *testing.T) {
	store, _ := memory(noon)
	old, young := open(t, store, nil, nil, rowsFlow("rows")), open(t, store, nil, nil, rowsFlow("rows"))
	old.acquire("a")
	old.write("a", noon, 1)
	young.acquire("a")
	young.write("a", noon, 1)
	young.commit()

	if err := old.tryCommit(); !errors.Is(err, driver.ErrFenced) {
		t.Errorf("the second commit of the same records: %v, want ErrFenced", err)
	}
	if n := staged(t, store); n != 0 {
		t.Errorf("void work left %d staged files", n)
	}
	old.acquire("a")
	if got := old.at["a"].UpTo.Sub; got != 1 {
		t.Errorf("the lane is at %d, want 1", got)
	}
	old.write("a", noon, 2)
	old.commit()
	if err := young.tryCommit(); err != nil {
		t.Errorf("a commit of nothing in a lane that was taken over: %v", err)
	}
	if got := visible(t, store, "rows/"); !slices.Equal(got, []int{1, 2}) {
		t.Errorf("rows %v, want 1 and 2", got)
	}
}

func TestATransactionOnTopOfVoidWorkIsVoid(t *testing.T) {
	store, _ := memory(noon)
	old, young := open(t, store, nil, nil, rowsFlow("rows")), open(t, store, nil, nil, rowsFlow("rows"))
	old.acquire("a", "b")
	young.acquire("a")
	old.write("a", noon, 1)
	young.write("a", noon, 1)
	young.commit()
	if err := old.tryCommit(); !errors.Is(err, driver.ErrFenced) {
		t.Fatalf("commit: %v, want ErrFenced", err)
	}
	// The next transaction touches lane b only, which nobody else has touched. It began on top of void work all the same.
	delete(old.at, "a")
	old.write("b", noon, 7)
	if err := old.tryCommit(); !errors.Is(err, driver.ErrFenced) {
		t.Errorf("commit on top of void work: %v, want ErrFenced", err)
	}
	if got := visible(t, store, "rows/"); !slices.Equal(got, []int{1}) {
		t.Errorf("rows %v, want 1", got)
	}
}

func TestAnotherAcquisitionMakesOpenWorkVoid(t *testing.T) {
	store, _ := memory(noon)
	in := open(t, store, nil, nil, rowsFlow("rows"))
	in.acquire("a")
	in.write("a", noon, 1)
	txn := in.txn
	in.acquire("a")
	_, err := txn.Commit(t.Context(), driver.Cut{Lanes: []driver.LaneCut{{
		Lane: "a", Partitions: map[record.Partition]driver.Progress{part("a"): {UpTo: record.Position{Sub: 1}}},
		Read:   map[record.Partition]int64{part("a"): 1},
		Counts: map[record.Partition]record.Counts{part("a"): {record.Written: 1}},
	}}})
	if !errors.Is(err, driver.ErrFenced) {
		t.Errorf("commit: %v, want ErrFenced", err)
	}
}

// T02: lateness against the last committed watermark while transactions are pipelined put a file into a sealed hour.
func TestLatenessIsDecidedAgainstWhatThePredecessorCarries(t *testing.T) {
	store, _ := memory(noon.Add(5 * time.Hour))
	release, reached := make(chan struct{}), make(chan struct{}, 1)
	slow := sinktest.NewFaulty(store, func(_ context.Context, c sinktest.Call) sinktest.Mode {
		if c.Op == sinktest.OpCreate && strings.HasSuffix(c.Key, "s0000/00000000000000000002") {
			reached <- struct{}{}
			<-release
		}
		return sinktest.Pass
	})
	in := open(t, slow, quarter, nil, rowsFlow("rows"))
	in.acquire("a")
	in.write("a", noon.Add(2*time.Hour), 1)
	first, cut := in.txn, in.cut()
	done := make(chan error)
	go func() { _, err := first.Commit(testContext(t), cut); done <- err }()
	<-reached // its watermarks are carried and not committed
	in.txn = in.out.Begin(first)
	fates := in.write("a", noon, 2)
	close(release)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if fates[0] != record.Late {
		t.Errorf("a row of 12h is %s on top of a watermark of 13:45, want late", fates[0])
	}
}

func TestAnAppendOfUnknownOutcomeIsNeitherVoidNorCommitted(t *testing.T) {
	for _, lands := range []bool{true, false} {
		store, _ := memory(noon)
		ctx, cancel := context.WithCancel(testContext(t))
		faulty := sinktest.NewFaulty(store, nil)
		faulty.Delay = -1
		faulty.Before = func(_ context.Context, c sinktest.Call) sinktest.Mode {
			if c.Op == sinktest.OpCreate && strings.Contains(c.Key, "/s0000/") && c.Key > "_onceflow/job/e0001/s0000/00000000000000000001" {
				cancel()
				return sinktest.ApplyLate
			}
			return sinktest.Pass
		}
		in := open(t, faulty, nil, nil, rowsFlow("rows"))
		in.acquire("a")
		in.write("a", noon, 1)
		cut := in.cut()
		_, err := in.txn.Commit(ctx, cut)
		if err == nil || errors.Is(err, driver.ErrFenced) {
			t.Fatalf("commit: %v, want an error that is not ErrFenced", err)
		}
		if _, err := in.txn.Commit(testContext(t), cut); err == nil || errors.Is(err, driver.ErrFenced) {
			t.Errorf("another Commit: %v, want a refusal", err)
		}
		if n := staged(t, store); n != 1 {
			t.Errorf("%d staged files, want 1: an entry may name it", n)
		}
		if lands {
			faulty.Land(-1)
		}
		again := open(t, store, nil, nil, rowsFlow("rows"))
		again.acquire("a")
		if again.at["a"].UpTo.IsZero() {
			again.write("a", noon, 1)
			again.commit()
		}
		again.maintain("a")
		faulty.Land(-1) // too late
		if got := visible(t, store, "rows/"); !slices.Equal(got, []int{1}) {
			t.Errorf("lands %v: rows %v, want 1", lands, got)
		}
	}
}

// Once all its lanes have other owners, what an instance has staged may be swept while it still writes. An instance failed
// with "upload was discarded" instead of learning that its work was void.
func TestWorkWhoseStagingWasSweptIsVoid(t *testing.T) {
	for _, more := range []int{0, 80_000} { // found out by Commit, by Write
		store, _ := memory(noon)
		old, young := open(t, store, nil, nil, rowsFlow("rows")), open(t, store, nil, nil, rowsFlow("rows"))
		old.acquire("a")
		old.write("a", noon, make([]int, 80_000)...)
		if n := staged(t, store); n != 1 {
			t.Fatalf("%d staged files, want 1", n)
		}
		young.acquire("a")
		young.write("a", noon, 1)
		young.commit()
		young.maintain("a") // sweeps
		if n := staged(t, store); n != 0 {
			t.Fatalf("%d staged files behind the sweep, want none", n)
		}
		old.write("a", noon, make([]int, more)...)
		old.write("a", noon, make([]int, more)...)
		if err := old.tryCommit(); !errors.Is(err, driver.ErrFenced) {
			t.Errorf("commit: %v, want ErrFenced", err)
		}
		old.acquire("a")
		old.write("a", noon, 2)
		old.commit()
		if got := visible(t, store, "rows/"); !slices.Equal(got, []int{1, 2}) {
			t.Errorf("rows %v, want 1 and 2", got)
		}
	}
}

// An instance that had acquired one more lane than the one it wrote for lost what it had staged, once the other lane had a
// new owner: the file's owner object named only the lane of the latest acquisition.
func TestStagingStaysWhileOneOfItsLanesIsOwned(t *testing.T) {
	store, _ := memory(noon)
	old, young := open(t, store, nil, nil, rowsFlow("rows")), open(t, store, nil, nil, rowsFlow("rows"))
	old.acquire("a")
	old.write("a", noon, 1)
	old.commit() // what is acquired after it has another index
	old.acquire("b")
	old.at["a"] = driver.Progress{UpTo: record.Position{Sub: 1}, MaxEventTime: noon}
	old.write("a", noon, make([]int, 80_000)...)
	if n := staged(t, store); n != 1 {
		t.Fatalf("%d staged files, want 1", n)
	}
	young.acquire("b")
	young.write("b", noon, 2)
	young.commit()
	young.maintain("b") // sweeps
	if n := staged(t, store); n != 1 {
		t.Errorf("%d staged files behind the sweep, want that of lane a", n)
	}
	delete(old.at, "b") // revoked
	if err := old.tryCommit(); err != nil {
		t.Errorf("commit of lane a, which nobody else has: %v", err)
	}
	if got := visible(t, store, "rows/"); len(got) != 80_002 {
		t.Errorf("%d rows, want 80002", len(got))
	}
}

func TestDropDeletesWhatWasStaged(t *testing.T) {
	store, _ := memory(noon)
	in := open(t, store, nil, nil, rowsFlow("rows"))
	in.acquire("a")
	big := make([]int, 80_000) // more than a buffer
	in.write("a", noon, big...)
	if n := staged(t, store); n == 0 {
		t.Fatal("nothing was staged, so this tests nothing")
	}
	if err := in.txn.Drop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := staged(t, store); n != 0 {
		t.Errorf("%d staged files are left", n)
	}
	if err := in.txn.Drop(t.Context()); err == nil {
		t.Error("another Drop succeeded")
	}
	after := in.out.Begin(in.txn)
	if _, err := after.Commit(t.Context(), driver.Cut{}); err == nil {
		t.Error("a transaction on top of one that was dropped committed")
	}
}

func TestClocksAloneAreCommittedWhenAnHourIsPassed(t *testing.T) {
	store, _ := memory(noon.Add(5 * time.Hour))
	in := open(t, store, quarter, nil, rowsFlow("rows"))
	in.acquire("a")
	in.write("a", noon, 1)
	in.commit()
	entries := func() int { return len(keys(t, store, "_onceflow/job/e0001/s0000/")) }
	before := entries()
	in.seen("a", noon.Add(10*time.Minute)) // watermark is still in 11h
	in.commit()
	if got := entries(); got != before {
		t.Errorf("a clock that moved within an hour made %d entries", got-before)
	}
	in.seen("a", noon.Add(75*time.Minute))
	in.commit()
	if got := entries(); got != before+1 {
		t.Errorf("a clock that passed an hour made %d entries, want 1", got-before)
	}
	in.maintain("a")
	if got := seals(t, store); !slices.Equal(got, []string{"hour=12"}) {
		t.Errorf("sealed %v, want 12h", got)
	}
}

// An audit once took up to an hour to see that an idle topic was read to its end: commits of clocks alone were left out.
func TestClocksThatAreFollowedAreCommitted(t *testing.T) {
	store, _ := memory(noon.Add(5 * time.Hour))
	in := open(t, store, quarter, nil, rowsFlow("rows"))
	in.acquire("a")
	in.write("a", noon, 1)
	in.commit()
	in.followed = true
	before := len(keys(t, store, "_onceflow/job/e0001/s0000/"))
	in.seen("a", noon.Add(10*time.Minute))
	in.commit()
	in.commit() // in which nothing has moved
	if got := len(keys(t, store, "_onceflow/job/e0001/s0000/")); got != before+1 {
		t.Errorf("a clock that moved within an hour made %d entries, want 1", got-before)
	}
}

func TestPendingRecordsKeepTheirHourOpen(t *testing.T) {
	store, _ := memory(noon.Add(5 * time.Hour))
	in := open(t, store, quarter, nil, rowsFlow("rows"))
	in.acquire("a")
	in.write("a", noon, 1)
	pr := in.at["a"]
	pr.UpTo.Sub, pr.MaxEventTime, pr.PendingTime = 2, noon.Add(2*time.Hour), noon.Add(30*time.Minute)
	pr.Pending = driver.PendingSet{First: record.Position{Sub: 2}, Ordinals: []uint32{0}, Through: 1}
	in.at["a"] = pr
	in.read["a"]++
	in.commit()
	in.maintain("a")
	if got := seals(t, store); len(got) != 0 {
		t.Fatalf("sealed %v while a record of 12:30 is pending", got)
	}
	again := open(t, store, quarter, nil, rowsFlow("rows"))
	again.acquire("a")
	pr = again.at["a"]
	if pr.Pending.Len() != 1 || pr.Pending.First.Sub != 2 || !pr.PendingTime.Equal(noon.Add(30*time.Minute)) {
		t.Fatalf("a restart finds %+v, want position 2 pending since 12:30", pr)
	}
	pr.Pending, pr.PendingTime = driver.PendingSet{}, time.Time{}
	again.at["a"] = pr
	fates := make([]record.Fate, 1)
	row := []record.Event[row]{{Value: row{ID: 2}, Time: noon.Add(30 * time.Minute)}}
	if _, err := again.txn.Write(t.Context(), driver.Writer{Lane: "a"}, row, fates); err != nil || fates[0] != record.Written {
		t.Fatalf("the row of the pending record is %s, %v, want written", fates[0], err)
	}
	again.done["a"] = record.Counts{record.Written: 1}
	again.commit()
	again.maintain("a")
	if got := visible(t, store, "rows/day=2025-05-01/hour=12/"); !slices.Equal(got, []int{1, 2}) || len(seals(t, store)) != 1 {
		t.Errorf("rows %v, sealed %v, want 1 and 2 sealed", got, seals(t, store))
	}
}

func TestOthersPublishWhatADeadProcessLeft(t *testing.T) {
	store, _ := memory(noon.Add(5 * time.Hour))
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	dying := sinktest.NewFaulty(store, func(_ context.Context, c sinktest.Call) sinktest.Mode {
		if c.Op == sinktest.OpPublish && strings.HasPrefix(c.Key, "rows/") {
			cancel() // nobody waits for the dead
			return sinktest.Crash
		}
		return sinktest.Pass
	})
	dead := open(t, dying, quarter, nil, rowsFlow("rows"))
	dead.acquire("a")
	dead.write("a", noon, 1)
	dead.seen("a", noon.Add(2*time.Hour))
	if _, err := dead.txn.Commit(ctx, dead.cut()); err == nil || errors.Is(err, driver.ErrFenced) {
		t.Fatalf("commit: %v, want an error about publication", err)
	}

	other := open(t, store, quarter, nil, rowsFlow("rows"))
	other.acquire("b")
	other.write("b", noon.Add(2*time.Hour), 2)
	other.commit()
	for range 3 { // the clock of testContext steps
		other.maintain("a", "b")
	}
	if got := visible(t, store, "rows/day=2025-05-01/hour=12/"); !slices.Equal(got, []int{1}) {
		t.Errorf("rows of 12h: %v, want 1", got)
	}
	if got := seals(t, store); !slices.Equal(got, []string{"hour=12"}) {
		t.Errorf("sealed %v, want 12h", got)
	}
}

func TestAHourWaitsForAPartitionThatJustAppeared(t *testing.T) {
	store, _ := memory(noon.Add(5 * time.Hour))
	in := open(t, store, quarter, nil, rowsFlow("rows"))
	in.acquire("a")
	in.write("a", noon.Add(2*time.Hour), 1)
	in.commit()
	in.maintain("a", "new")
	if got := seals(t, store); len(got) != 0 {
		t.Errorf("sealed %v while the source has a partition that nobody has read", got)
	}
}

func TestARetiredPartitionHoldsNoHourOpenAndIsNeverReadAgain(t *testing.T) {
	store, _ := memory(noon.Add(5 * time.Hour))
	in := open(t, store, quarter, nil, rowsFlow("rows"))
	in.acquire("a", "b")
	in.write("a", noon, 1)
	in.write("b", noon, 2)
	in.commit()
	in.write("a", noon.Add(2*time.Hour), 3)
	in.commit()
	in.maintain("a", "b")
	if got := seals(t, store); len(got) != 0 {
		t.Fatalf("sealed %v while b is at noon", got)
	}
	in.write("b", noon, 4) // open work of the partition that is about to be retired
	ctx := testContext(t)
	if err := sink.Retire(ctx, store, "job", part("c"), "gone", nil); err == nil {
		t.Error("a partition that nobody knows was retired")
	}
	for range 2 {
		if err := sink.Retire(ctx, store, "job", part("b"), "its topic is gone", nil); err != nil {
			t.Fatal(err)
		}
	}
	in.maintain("a", "b")
	if got := seals(t, store); !slices.Equal(got, []string{"hour=12", "hour=13"}) && !slices.Equal(got, []string{"hour=12"}) {
		t.Errorf("sealed %v, want 12h", got)
	}
	if err := in.tryCommit(); !errors.Is(err, driver.ErrFenced) {
		t.Errorf("commit of a retired partition: %v, want ErrFenced", err)
	}
	if err := in.tryAcquire("b"); err == nil || !strings.Contains(err.Error(), "retired") {
		t.Errorf("acquire of a retired partition: %v, want a refusal", err)
	}
}
