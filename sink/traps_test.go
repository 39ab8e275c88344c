package sink_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream/record"
)

// T30: what the source lists must be newer than the clock that says that the hour is over, so that a partition which
// appears later can have no record of it.
func TestTheClockIsReadBeforeThePartitionsAreListed(t *testing.T) {
	store, clock := memory(noon.Add(65 * time.Minute))
	in := open(t, store, quarter, nil, rowsFlow("rows"))
	in.acquire("a")
	in.write("a", noon, 1)
	in.seen("a", noon.Add(3*time.Hour))
	in.commit()
	_, err := in.out.Maintain(testContext(t), func(context.Context) ([]record.Partition, error) {
		clock.t = noon.Add(2 * time.Hour) // the answer took long, and a partition appeared behind it
		return []record.Partition{part("a")}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := seals(t, store); len(got) != 0 {
		t.Errorf("sealed %s: at the time of the list the hour had ended 5 minutes ago, and lateness is 15", got)
	}
}

// T14: the list of partitions is asked for anew before each Close.
func TestPartitionsAreListedAnewForEachClose(t *testing.T) {
	store, _ := memory(noon.Add(5 * time.Hour))
	in := open(t, store, quarter, nil, rowsFlow("rows"))
	in.acquire("a")
	in.write("a", noon, 1)
	in.write("a", noon.Add(80*time.Minute), 2)
	in.commit()
	in.maintain("a")
	if got := seals(t, store); !slices.Equal(got, []string{"hour=12"}) {
		t.Fatalf("sealed %s, want hour=12", got)
	}
	in.write("a", noon.Add(3*time.Hour), 3)
	in.commit()
	in.maintain("a", "b")
	if got := seals(t, store); !slices.Equal(got, []string{"hour=12"}) {
		t.Errorf("sealed %s, but partition b has appeared and nobody has read it", got)
	}
}

// T37: what is taken for the newest progress of a lane is read again at each acquisition, also by the same instance.
func TestAcquisitionReadsWhatOthersHaveCommitted(t *testing.T) {
	store := sinktest.NewMemory()
	a := open(t, store, nil, nil, rowsFlow("rows"))
	b := open(t, store, nil, nil, rowsFlow("rows"))
	a.acquire("x")
	b.acquire("x")
	a.write("x", noon, 1)
	b.write("x", noon, 1)
	b.commit()
	if err := a.tryCommit(); err == nil {
		t.Fatal("both have committed the first record")
	}
	a.acquire("x")
	if got := a.at["x"].UpTo.Sub; got != 1 {
		t.Errorf("acquired at %d, want 1: what the other has committed", got)
	}
}

// deadPublisher commits what of writes, and dies before its file of rows is visible.
func deadPublisher(t *testing.T, store *sinktest.Memory, of func(*instance)) {
	t.Helper()
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	dying := sinktest.NewFaulty(store, func(_ context.Context, c sinktest.Call) sinktest.Mode {
		if c.Op == sinktest.OpPublish && strings.HasPrefix(c.Key, "rows/") {
			cancel() // nobody waits for the dead
			return sinktest.Crash
		}
		return sinktest.Pass
	})
	dead := open(t, dying, nil, nil, rowsFlow("rows"))
	of(dead)
	if _, err := dead.txn.Commit(ctx, dead.cut()); err == nil {
		t.Fatal("commit: no error though nothing is published")
	}
}

// A lane may have no owner any more, such as that of a retired partition, and no hour waits for dead letters: what was
// committed for it once stayed invisible for ever.
func TestFilesOfLanesThatNobodyHoldsArePublished(t *testing.T) {
	store, _ := memory(noon)
	deadPublisher(t, store, func(dead *instance) {
		dead.acquire("gone")
		dead.write("gone", noon, 1)
	})
	other := open(t, store, nil, nil, rowsFlow("rows"))
	other.acquire("b")
	if up := other.maintain("b"); !up.Settled {
		t.Error("not settled, though the lane is another's, which may be at it")
	}
	if got := visible(t, store, "rows/"); len(got) != 0 {
		t.Errorf("rows %v are visible at once: their author may be at it", got)
	}
	for range 7 { // minutes
		other.maintain("b")
	}
	if got := visible(t, store, "rows/"); !slices.Equal(got, []int{1}) {
		t.Errorf("rows %v, want 1", got)
	}
}

// T87: nobody comes for a file that was read to its end. A job that ends by itself ended with rows that nobody could see.
func TestAnInstanceIsNotSettledBeforeFilesOfLanesThatAreOverArePublished(t *testing.T) {
	store, _ := memory(noon)
	deadPublisher(t, store, func(dead *instance) {
		dead.acquire("a", "b")
		dead.write("a", noon, 1)
		dead.write("b", noon, 2)
		dead.end("a")
		dead.end("b")
	})
	next := open(t, store, nil, nil, rowsFlow("rows"))
	var visibleAt, settledAt int
	for i := 1; i <= 3 && settledAt == 0; i++ { // minutes
		up := next.maintain()
		if got := visible(t, store, "rows/"); visibleAt == 0 && len(got) == 2 {
			visibleAt = i
		}
		if up.Settled {
			settledAt = i
		}
	}
	if visibleAt == 0 || settledAt < visibleAt {
		t.Errorf("settled in minute %d, all visible in minute %d, want both, and visible first", settledAt, visibleAt)
	}
}
