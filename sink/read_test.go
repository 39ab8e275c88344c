package sink_test

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream/record"
)

func TestCommittedWaitsForTheManifestAndForMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem, _ := memory(noon)
		hold := false
		short, stop := context.WithCancel(testContext(t))
		defer stop()
		store := sinktest.NewFaulty(mem, func(_ context.Context, c sinktest.Call) sinktest.Mode {
			if hold && c.Op == sinktest.OpCreate && strings.Contains(c.Key, "/manifests/") {
				stop() // or the commit would try for ever
				return sinktest.Refuse
			}
			return sinktest.Pass
		})
		ctx, cancel := context.WithCancel(t.Context()) // with real, that is synctest's, pauses
		var got []uint64
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for m, err := range sink.Committed(ctx, mem, "job", 0, nil) {
				if err != nil {
					t.Error(err)
				}
				got = append(got, m.Entry)
			}
		}()
		synctest.Wait() // it waits for the job to begin
		in := open(t, store, nil, nil, rowsFlow("rows"))
		in.acquire("a")
		in.write("a", noon, 1)
		in.commit()
		see := func(what string, want ...uint64) {
			time.Sleep(10 * time.Second) //nolint:forbidigo // virtual
			synctest.Wait()
			if !slices.Equal(got, want) {
				t.Errorf("%s: entries %v, want %v", what, got, want)
			}
		}
		see("the first commit", 2)
		hold = true
		in.write("a", noon, 2)
		if _, err := in.txn.Commit(short, in.cut()); err == nil {
			t.Error("a commit without manifest succeeded")
		}
		see("files without a manifest", 2)
		hold = false
		in.acquire("a")
		in.maintain("a")
		see("the manifest is there", 2, 3)
		in.write("a", noon, 3)
		in.commit()
		see("another commit", 2, 3, 4)
		cancel()
		<-ended
	})
}

func TestReadersOfAJobThatHasNotBegunSaySo(t *testing.T) {
	store, _ := memory(noon)
	ctx := testContext(t)
	for _, err := range sink.Committed(ctx, store, "job", 0, &sink.ReadOptions{Poll: -1}) {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Committed: %v, want fs.ErrNotExist", err)
		}
	}
	for _, err := range sink.Hours(ctx, store, "job", noon, &sink.ReadOptions{Poll: -1}) {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Hours: %v, want fs.ErrNotExist", err)
		}
	}
	if _, err := sink.Inspect(ctx, store, "job", nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Inspect: %v, want fs.ErrNotExist", err)
	}
	if err := sink.Retire(ctx, store, "job", part("a"), "x", nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Retire: %v, want fs.ErrNotExist", err)
	}
	if got := keys(t, store, ""); len(got) != 0 {
		t.Errorf("they wrote %v", got)
	}
}

func TestCommittedStopsAtADamagedManifest(t *testing.T) {
	for name, body := range map[string]string{
		"no JSON": "{", "no format": "{}", "another entry": `{"format":1,"entry":7}`, "newer": `{"format":3,"entry":2}`,
	} {
		store := begun(t)
		store.Overwrite("_onceflow/job/e0001/manifests/s0000/00000000000000000002.json", []byte(body))
		n := 0
		for _, err := range sink.Committed(testContext(t), store, "job", 0, &sink.ReadOptions{Poll: -1}) {
			_, corrupt := errors.AsType[*ledger.CorruptError](err)
			_, newer := errors.AsType[*ledger.VersionError](err)
			if !corrupt && !newer {
				t.Errorf("%s: %v, want a CorruptError or VersionError", name, err)
			}
			n++
		}
		if n != 1 {
			t.Errorf("%s: %d results, want the error alone", name, n)
		}
	}
}

func TestHoursBeginWithTheFirstSealedOne(t *testing.T) {
	mem, _ := memory(noon.Add(5 * time.Hour))
	if err := process(t, mem, 1); err != nil {
		t.Fatal(err)
	}
	for from, want := range map[time.Time]string{
		{}:                         "12 13 14",
		noon.Add(-5 * time.Hour):   "12 13 14",
		noon.Add(80 * time.Minute): "13 14",
		noon.Add(9 * time.Hour):    "",
	} {
		var got []string
		for h, err := range sink.Hours(testContext(t), mem, "job", from, &sink.ReadOptions{Poll: -1}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, h.Hour.Format("15"))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("from %s: hours %v, want %s", from, got, want)
		}
	}
	if _, err := sink.Sealed(testContext(t), mem, "job", noon.Add(4*time.Hour), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an open hour: %v, want fs.ErrNotExist", err)
	}
}

func TestInspectTellsTheState(t *testing.T) {
	store := begun(t)
	s, err := sink.Inspect(testContext(t), store, "job", nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.Entry != 2 || s.Rows != 1 || s.Counts[record.Written] != 1 || s.Partitions[part("a")].Progress.UpTo.Sub != 1 {
		t.Errorf("state %+v", s)
	}
}
