package sink_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/onceflow/onceflow/sink"
	storage "github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/sinktest"
)

// losing is a Store that loses the staged files of a flow before they are published.
type losing struct {
	*sinktest.Memory
	flow string
}

func (l losing) Publish(ctx context.Context, ref []byte) error {
	for s, err := range l.Staged(ctx) {
		if err != nil {
			return err
		}
		if key := l.RefKey(ref); s.Key == key && strings.HasPrefix(key, l.flow+"/") {
			if err := l.Discard(ctx, s); err != nil {
				return err
			}
		}
	}
	return l.Memory.Publish(ctx, ref)
}

// A committed file that was lost was once told by its key alone, with a guess who did it.
func TestACommittedFileThatIsLostSaysWhatIsLost(t *testing.T) {
	store, _ := memory(noon)
	in := open(t, losing{store, "odd"}, nil, nil, rowsFlow("rows"), oddFlow("odd"))
	in.acquire("a")
	in.write("a", noon, 1, 2, 3, 4, 5)
	err := in.tryCommit()
	lost, ok := errors.AsType[*sink.LostFileError](err)
	if !ok || !errors.Is(err, storage.ErrStagingLost) || lost.Of != 2 || len(lost.Files) != 1 || lost.Rows() != 3 {
		t.Fatalf("got %v, want a LostFileError of 1 of 2 files with 3 rows", err)
	}
	for _, want := range []string{"1 of 2 files of entry 2", "3 rows", lost.Files[0].Key, "no staging"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("it does not say %q: %v", want, err)
		}
	}
	if got := visible(t, store, "rows/"); !slices.Equal(got, []int{1, 2, 3, 4, 5}) {
		t.Errorf("of the other flow %v are visible, want all", got)
	}
	if _, err := in.tryMaintain("a"); !errors.As(err, &lost) {
		t.Errorf("whoever tries again: %v, want a LostFileError", err)
	}
	if b := unpublished(t, store); b.Entry != lost.Entry || b.Lost != 1 || b.LostRows != 3 {
		t.Errorf("the hour waits for %+v, want 1 lost file of entry %d with 3 rows", b, lost.Entry)
	}
}

// What is staged still, or in place already, is not lost.
func TestWhatWaitsForPublicationIsNotLost(t *testing.T) {
	store, _ := memory(noon)
	ctx, cancel := context.WithCancel(testContext(t))
	refusing := sinktest.NewFaulty(store, func(_ context.Context, c sinktest.Call) sinktest.Mode {
		if c.Op == sinktest.OpPublish && strings.HasPrefix(c.Key, "odd/") {
			cancel()
			return sinktest.Refuse
		}
		return sinktest.Pass
	})
	in := open(t, refusing, nil, nil, rowsFlow("rows"), oddFlow("odd"))
	in.acquire("a")
	in.write("a", noon, 1, 2, 3, 4, 5)
	if _, err := in.txn.Commit(ctx, in.cut()); err == nil {
		t.Fatal("it was published")
	}
	if b := unpublished(t, store); b.Lost != 0 || b.LostRows != 0 {
		t.Errorf("the hour waits for %+v, want no lost file", b)
	}
}

// unpublished is the one entry that noon's hour waits for.
func unpublished(t *testing.T, store sink.Store) sink.HourBlocker {
	t.Helper()
	all, err := sink.Explain(t.Context(), store, "job", noon, nil)
	if err != nil {
		t.Fatal(err)
	}
	all = slices.DeleteFunc(all, func(b sink.HourBlocker) bool { return b.Kind != sink.BlockedByEntry })
	if len(all) != 1 {
		t.Fatalf("the hour waits for the files of %v, want one entry", all)
	}
	return all[0]
}
