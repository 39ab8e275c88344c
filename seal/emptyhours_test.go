package seal_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// daily is attached, with hours of a day and one partition.
func daily(t *testing.T, store sink.Store, opts *seal.Options) driver.Output[hit] {
	t.Helper()
	out, err := sink.Open(t.Context(), store, "etl", []sink.Flow[hit]{{Name: "hits", Format: format.JSONLines[hit]()}}, &sink.Options{Hour: 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	sealed := seal.Hourly(out, opts)
	if err := sealed.Attach(t.Context(), driver.Job{Source: driver.SourceInfo{ID: "test", Topics: []string{"s"}}, Workers: 1}); err != nil {
		t.Fatal(err)
	}
	as := []driver.Assignment{{Lane: partitions[0].ID, Partitions: partitions[:1]}}
	if _, err := sealed.Acquire(t.Context(), as); err != nil {
		t.Fatal(err)
	}
	return sealed
}

func maintain(t *testing.T, out driver.Output[hit]) driver.Upkeep {
	t.Helper()
	up, err := out.Maintain(t.Context(), func(context.Context) ([]record.Partition, error) { return partitions[:1], nil })
	if err != nil {
		t.Fatal(err)
	}
	return up
}

// One record of 2003 among the first of a live job once made a seal due for each hour of 22 years.
func TestNothingBehindAnOddOldRecordClosesUntilItIsTold(t *testing.T) {
	clock := noon
	store := &sinktest.Memory{Clock: func() time.Time { return clock }}
	old := time.Date(2003, 2, 20, 7, 0, 0, 0, time.UTC)
	out := daily(t, store, nil)
	reach(t, out, 1, old)
	reach(t, out, 2, noon)
	for i := range int64(3) { // commits go on
		clock = clock.Add(24 * time.Hour)
		reach(t, out, 3+i, clock)
	}
	up := maintain(t, out)
	var gap *sink.EmptyHoursError
	if !errors.As(up.Unclosed, &gap) || up.ClosedHours != 1 || !up.Settled {
		t.Fatalf("upkeep says %+v, want that of 2003 closed and an *EmptyHoursError", up)
	}
	for _, want := range []string{"from 2003-02-21", "to 2025-05-01", "entry 2", "partition s/a up to 1", "hits/day=2003-02-20/", "EmptyHours"} {
		if !strings.Contains(gap.Error(), want) {
			t.Errorf("the status says %q, want %q in it", gap, want)
		}
	}
	blockers, err := seal.Explain(t.Context(), store, "etl", noon, nil)
	if err != nil || len(blockers) != 1 || !strings.Contains(blockers[0].String(), "2003-02-21T00:00:00Z to 2025-05-01T00:00:00Z have no files") {
		t.Errorf("explain says %v, %v, want the gap", blockers, err)
	}

	out = daily(t, store, &seal.Options{EmptyHours: -1})
	reach(t, out, 6, clock)
	if up := maintain(t, out); up.Unclosed != nil {
		t.Errorf("it was told, and says %v", up.Unclosed)
	}
	if first, err := seal.EarliestHour(t.Context(), store, "etl", nil); err != nil || !first.Equal(clock.Truncate(24*time.Hour)) {
		t.Errorf("the first open hour is %s, %v, want that of %s", first, err, clock)
	}
	seals := 0
	for _, err := range seal.Read(t.Context(), store, "etl", time.Time{}, &seal.ReadOptions{Poll: -1}) {
		if err != nil {
			t.Fatal(err)
		}
		seals++
	}
	if want := int(clock.Truncate(24*time.Hour).Sub(old.Truncate(24*time.Hour)) / (24 * time.Hour)); seals != want {
		t.Errorf("%d seals, want %d", seals, want)
	}
}

func TestAJobThatWasStoppedForAYearSealsIt(t *testing.T) {
	clock := noon
	store := &sinktest.Memory{Clock: func() time.Time { return clock }}
	out := attached(t, store, nil)
	reach(t, out, 1, noon, noon)
	clock = noon.Add(2 * time.Hour)
	reach(t, out, 2, clock, clock)
	clock = noon.Add(365 * 24 * time.Hour)
	out = attached(t, store, nil)
	reach(t, out, 3, clock, clock)
	if first, err := seal.EarliestHour(t.Context(), store, "etl", nil); err != nil || !first.Equal(clock.Add(-time.Hour)) {
		t.Errorf("the first open hour is %s, %v, want that before %s", first, err, clock)
	}
}

// A job that goes on after a year first closes the hours of before, and was then without the hours that had passed.
func TestTheHoursBeforeAGapOfAYearClose(t *testing.T) {
	clock := noon
	store := &sinktest.Memory{Clock: func() time.Time { return clock }}
	out := attached(t, store, nil)
	reach(t, out, 1, noon, noon)
	clock = noon.Add(365 * 24 * time.Hour)
	out = attached(t, store, nil)
	reach(t, out, 2, noon.Add(2*time.Hour), noon.Add(2*time.Hour)) // of before
	if first, err := seal.EarliestHour(t.Context(), store, "etl", nil); err != nil || !first.Equal(noon.Add(time.Hour)) {
		t.Errorf("the first open hour is %s, %v, want 13h", first, err)
	}
	reach(t, out, 3, clock, clock)
	if first, err := seal.EarliestHour(t.Context(), store, "etl", nil); err != nil || !first.Equal(clock.Add(-time.Hour)) {
		t.Errorf("the first open hour is %s, %v, want that before %s", first, err, clock)
	}
}
