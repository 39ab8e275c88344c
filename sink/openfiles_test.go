package sink_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream/driver"
)

// seeded is an instance whose tokens are always the same, and whose entries have little room.
func seeded(t *testing.T, store sink.Store, seed uint64) *instance {
	t.Helper()
	e := *env.Default()
	e.Rand, e.Parallel, e.MaxEntry = rand.New(rand.NewPCG(seed, 0)).Uint64, 1, 1600
	ctx := env.With(t.Context(), &e)
	out, err := sink.Open(ctx, store, "job", []sink.Flow[row]{rowsFlow("rows"), oddFlow("odd")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	out.Seal(quarter)
	if err := out.Attach(ctx, driver.Job{Source: driver.SourceInfo{ID: "test", Topics: topics}, Workers: 1}); err != nil {
		t.Fatal(err)
	}
	return &instance{t: t, out: out, at: map[string]driver.Progress{}}
}

// Whether the files of an hour are remembered or read again, its manifest is the same: files of several hours and flows,
// in entries and in blobs, of entries before and after the closer's start.
func TestAnHourIsTheSameRememberedOrReadAgain(t *testing.T) {
	const commits = 40
	const prefix = "_onceflow/job/e0001/"
	hours := func(begin int) (all string) { // the closer begins before that commit
		store, _ := memory(noon.Add(9 * time.Hour))
		in := seeded(t, store, 1)
		in.acquire("a")
		closer := in
		for i := range commits {
			if i == begin {
				closer = seeded(t, store, 2)
			}
			at := noon.Add(time.Duration(i) * 3 * time.Minute)
			in.write("a", at, 10*i, 10*i+1)
			if i%5 == 0 {
				in.write("a", at.Add(time.Hour), 10*i+2, 10*i+3)
			}
			in.commit()
		}
		in.write("a", noon.Add(200*time.Minute), 10*commits)
		in.commit()
		if blobs := keys(t, store, prefix+"blobs/"); len(blobs) < commits/8 || len(blobs) > commits/2 {
			t.Fatalf("%d of %d entries have their files in a blob, want some", len(blobs), commits)
		}
		if begin == commits {
			closer = seeded(t, store, 2)
		}
		if up := closer.maintain("a"); up.ClosedHours != 3 {
			t.Fatalf("closed %d hours, want 3", up.ClosedHours)
		}
		for _, key := range keys(t, store, prefix+"hours/") {
			body, err := store.Read(t.Context(), key, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			all += fmt.Sprintf("%s\n%s\n", key, body)
		}
		return all
	}
	want := hours(commits)
	for _, begin := range []int{-1, commits / 2} {
		if got := hours(begin); got != want {
			t.Errorf("a closer from commit %d on writes\n%s\none that reads all again\n%s", begin, got, want)
		}
	}
}

// All instances stop between the seals of an hour and the Mark that tells of them. Each of the next ones finds the Close,
// and once read all its entries again, thousands of them, to make what is there.
func TestSealsThatAreThereAreNotMadeAgain(t *testing.T) {
	store, _ := memory(noon.Add(9 * time.Hour))
	in := open(t, store, quarter, nil, rowsFlow("rows"))
	in.acquire("a")
	for i := range 80 { // more than a start reads behind a snapshot
		in.write("a", noon.Add(time.Duration(i)*time.Second), i)
		in.commit()
	}
	in.write("a", noon.Add(75*time.Minute), 80)
	in.commit()
	in.maintain("a")
	const entries = "_onceflow/job/e0001/s0000/"
	ledger := keys(t, store, entries)
	mark := ledger[len(ledger)-1]
	for _, lost := range []string{"", "rows/day=2025-05-01/hour=12/_SEALED", "_onceflow/job/e0001/hours/2025-05-01T12.json"} {
		again := &sinktest.Memory{Clock: store.Clock}
		for _, key := range keys(t, store, "") {
			if key == mark || key == lost {
				continue
			}
			body, err := store.Read(t.Context(), key, 1<<20)
			if err == nil {
				err = again.Create(t.Context(), key, body)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		var read atomic.Int64 // entries are read by several goroutines
		counted := sinktest.NewFaulty(again, func(_ context.Context, c sinktest.Call) sinktest.Mode {
			if c.Op == sinktest.OpRead && strings.HasPrefix(c.Key, entries) {
				read.Add(1)
			}
			return sinktest.Pass
		})
		next := open(t, counted, quarter, nil, rowsFlow("rows"))
		before := read.Load()
		next.maintain("a")
		if n := read.Load() - before; (n > 30) != (lost != "") {
			t.Errorf("without %q %d entries were read again to seal an hour", lost, n)
		}
		if got, want := keys(t, again, ""), keys(t, store, ""); !slices.Equal(got, want) {
			t.Errorf("without %q: there is\n%q\nwant\n%q", lost, got, want)
		}
	}
}
