package sink_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream/driver"
)

// jobWithAFile is a job in which lane a goes on and lane f has ended, was let go of, and is forgotten.
func jobWithAFile(t *testing.T) (*sinktest.Memory, *instance) {
	t.Helper()
	store, _ := memory(noon.Add(4 * time.Hour))
	in := open(t, store, quarter, nil, rowsFlow("rows"))
	in.acquire("a", "f")
	in.write("a", noon, 1)
	in.write("f", noon, 2, 3)
	in.end("f")
	in.commit()
	if err := in.out.Release(testContext(t), []string{"f"}); err != nil {
		t.Fatal(err)
	}
	delete(in.at, "f")
	for i := 0; state(t, store).Forgotten == 0; i++ { // a maintain is a minute
		if i > 100 {
			t.Fatal("what has ended is not forgotten")
		}
		in.maintain("a", "f")
	}
	return store, in
}

func state(t *testing.T, store sink.Store) *sink.JobState {
	t.Helper()
	s, err := sink.Inspect(context.Background(), store, "job", nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Every finished file once stood in each later snapshot with 418 bytes.
func TestFinishedFilesAreNotReadAgainByTheNextRun(t *testing.T) {
	store, in := jobWithAFile(t)
	s := state(t, store)
	if len(s.Partitions) != 1 || s.Lanes != 1 || s.Finished != 1 || s.Read != 3 {
		t.Errorf("%d partitions, %d lanes, %d finished, %d read, want 1, 1, 1 and 3", len(s.Partitions), s.Lanes, s.Finished, s.Read)
	}
	in.acquire("a", "f")
	if g := in.at["f"]; !g.Ended || g.UpTo.Sub != 2 {
		t.Errorf("it goes on at %+v, want its end at 2", g)
	}
	next := open(t, store, quarter, nil, rowsFlow("rows"))
	next.acquire("a", "f")
	if g := next.at["f"]; !g.Ended {
		t.Errorf("the next run reads it from %+v on", g)
	}
}

// A folder that was not mounted for an hour would have been read again as a whole.
func TestAFolderThatIsAwayForAWhileIsNotReadAgain(t *testing.T) {
	store, in := jobWithAFile(t)
	for range 3 {
		for range 300 { // of a minute or two
			in.maintain("a")
		}
		for range 30 {
			in.maintain("a", "f")
		}
	}
	if n := state(t, store).Finished; n != 1 {
		t.Errorf("%d partitions are known to be finished, want the one that was away for less than a day at a time", n)
	}
	for range 1500 {
		in.maintain("a")
	}
	if n := state(t, store).Finished; n != 0 {
		t.Errorf("%d partitions are known to be finished that are gone", n)
	}
}

// What a lane that we hold has read to its end is ours to let go of first.
func TestALaneThatIsOwnedIsNotForgotten(t *testing.T) {
	store, _ := memory(noon.Add(4 * time.Hour))
	in := open(t, store, quarter, nil, rowsFlow("rows"))
	in.acquire("a", "f")
	in.write("f", noon, 2, 3)
	in.end("f")
	in.commit()
	for range 200 {
		in.maintain("a", "f")
	}
	if n := state(t, store).Forgotten; n != 0 {
		t.Errorf("%d partitions were forgotten", n)
	}
}

// A process reads a file, others finish and forget it, and the process wakes up.
func TestASleeperDoesNotReadAFileAgainThatWasForgotten(t *testing.T) {
	store, _ := memory(noon.Add(4 * time.Hour))
	sleeper := open(t, store, quarter, nil, rowsFlow("rows"))
	sleeper.acquire("f")
	in := open(t, store, quarter, nil, rowsFlow("rows"))
	in.acquire("f")
	in.write("f", noon, 2, 3)
	in.end("f")
	in.commit()
	if err := in.out.Release(testContext(t), []string{"f"}); err != nil {
		t.Fatal(err)
	}
	for i := 0; state(t, store).Forgotten == 0 && i < 100; i++ {
		in.maintain("f")
	}
	sleeper.maintain("f") // it reads that there is a Forget, and takes the last Close for the lane's version
	sleeper.write("f", noon.Add(3*time.Hour), 2, 3)
	err := sleeper.tryCommit()
	if !errors.Is(err, driver.ErrFenced) {
		t.Errorf("the sleeper commits: %v, want void", err)
	}
}

// A lane that was over when it was acquired, and is forgotten later, once kept what its process had staged for other lanes for
// ever: nobody can tell it from one that nobody has touched yet.
func TestAnOwnerLeavesOutLanesThatAreOver(t *testing.T) {
	store, _ := memory(noon.Add(4 * time.Hour))
	in := open(t, store, quarter, nil, rowsFlow("rows"))
	in.acquire("f")
	in.end("f")
	in.write("f", noon, 1)
	in.commit()
	next := open(t, store, quarter, nil, rowsFlow("rows"))
	next.acquire("a", "f")
	next.write("a", noon, 2)
	next.commit()
	names := keys(t, store, "_onceflow/job/e0001/owners/")
	var lanes []string
	for _, name := range names {
		body, err := store.Read(context.Background(), name, ledger.MaxOwner)
		if err != nil {
			t.Fatal(err)
		}
		o, err := ledger.DecodeOwner(body)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range o.Lanes {
			lanes = append(lanes, l.Lane)
		}
	}
	slices.Sort(lanes)
	if !slices.Equal(lanes, []string{"a", "f"}) {
		t.Errorf("two owners list %v, want f, then a alone", lanes)
	}
}
