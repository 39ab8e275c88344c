package sink_test

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"testing"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/sinktest"
)

func TestFindTailCountsEntriesWithoutReadingThem(t *testing.T) {
	store, _ := memory(noon)
	if _, err := sink.FindTail(testContext(t), store, "job", 0, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before the job has begun: got %v, want fs.ErrNotExist", err)
	}
	in := open(t, store, nil, nil, rowsFlow("rows"))
	in.acquire("a")
	for id := range 40 {
		in.write("a", noon, id)
		in.commit()
	}
	s, err := sink.Inspect(testContext(t), store, "job", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, near := range []uint64{0, 3, s.Entry, s.Entry + 100} {
		got, err := sink.FindTail(testContext(t), store, "job", near, nil)
		if err != nil || got.Entry != s.Entry || len(got.Ledger) != 32 || got.Hour != s.Hour {
			t.Errorf("near %d: got %+v, %v, want entry %d and a ledger's ID", near, got, err, s.Entry)
		}
	}
	requests := 0
	counted := sinktest.NewFaulty(store, func(context.Context, sinktest.Call) sinktest.Mode {
		requests++
		return sinktest.Pass
	})
	if _, err := sink.FindTail(testContext(t), counted, "job", s.Entry, nil); err != nil || requests != 3 {
		t.Errorf("at the end: %d requests, %v, want the genesis object and two entries", requests, err)
	}
}

func TestCommittedTellsOfTheEntriesThatItLeavesOut(t *testing.T) {
	store, _ := memory(noon)
	in := open(t, store, nil, nil, rowsFlow("rows"))
	in.acquire("a")
	in.write("a", noon, 1)
	in.commit()
	in.maintain("a")
	s, err := sink.Inspect(testContext(t), store, "job", nil)
	if err != nil {
		t.Fatal(err)
	}
	var seen, want []uint64
	for n := uint64(1); n <= s.Entry; n++ {
		want = append(want, n)
	}
	transactions := 0
	opts := &sink.ReadOptions{Poll: -1, Seen: func(n uint64) { seen = append(seen, n) }}
	for _, err := range sink.Committed(testContext(t), store, "job", 0, opts) {
		if err != nil {
			t.Fatal(err)
		}
		transactions++
	}
	if !slices.Equal(seen, want) || transactions != 1 || len(want) < 2 {
		t.Errorf("seen %d, with %d transactions, want all entries %d and one", seen, transactions, want)
	}
}
