package seal_test

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/onceflow/onceflow/seal"
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// attached is a sealed output with two lanes of one partition each.
func attached(t *testing.T, store sink.Store, opts *seal.Options) driver.Output[hit] {
	t.Helper()
	out, err := sink.Open(t.Context(), store, "etl", []sink.Flow[hit]{{Name: "hits", Format: format.JSONLines[hit]()}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	sealed := seal.Hourly(out, opts)
	job := driver.Job{Source: driver.SourceInfo{ID: "test", Topics: []string{"s"}}, Workers: 1}
	if err := sealed.Attach(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	var as []driver.Assignment
	for _, p := range partitions {
		as = append(as, driver.Assignment{Lane: p.ID, Partitions: []record.Partition{p}})
	}
	if _, err := sealed.Acquire(t.Context(), as); err != nil {
		t.Fatal(err)
	}
	return sealed
}

var partitions = []record.Partition{{Source: "s", ID: "a"}, {Source: "s", ID: "b"}}

// reach commits one row of each lane at a time, and closes what can be closed.
func reach(t *testing.T, out driver.Output[hit], position int64, at ...time.Time) {
	t.Helper()
	if err := tryReach(t, out, position, at...); err != nil {
		t.Fatal(err)
	}
}

// tryReach returns the error of Maintain.
func tryReach(t *testing.T, out driver.Output[hit], position int64, at ...time.Time) error {
	t.Helper()
	txn := out.Begin(nil)
	var cut driver.Cut
	for i, when := range at {
		p := partitions[i]
		rows, fates := []record.Event[hit]{{Value: hit{when}, Time: when}}, make([]record.Fate, 1)
		if _, err := txn.Write(t.Context(), driver.Writer{Lane: p.ID}, rows, fates); err != nil {
			t.Fatal(err)
		}
		var counts record.Counts
		counts[fates[0]] = 1
		cut.Lanes = append(cut.Lanes, driver.LaneCut{
			Lane: p.ID, Partitions: map[record.Partition]driver.Progress{p: {UpTo: record.Position{Sub: position}, MaxEventTime: when}},
			Read: map[record.Partition]int64{p: 1}, Counts: map[record.Partition]record.Counts{p: counts},
		})
	}
	if _, err := txn.Commit(t.Context(), cut); err != nil {
		t.Fatal(err)
	}
	list := func(context.Context) ([]record.Partition, error) { return partitions[:len(at)], nil }
	_, err := out.Maintain(t.Context(), list)
	return err
}

func TestLatenessIsFifteenMinutesUnlessItSaysOtherwise(t *testing.T) {
	for _, c := range []struct {
		opts   *seal.Options
		behind time.Duration // the end of the hour by which it is sealed
	}{
		{nil, 15 * time.Minute}, {&seal.Options{Lateness: time.Minute}, time.Minute}, {&seal.Options{Lateness: -1}, 0},
	} {
		store := sinktest.NewMemory()
		out := attached(t, store, c.opts)
		end := noon.Add(time.Hour)
		reach(t, out, 1, noon, noon)
		reach(t, out, 2, end.Add(c.behind), end.Add(c.behind-time.Second))
		if first, err := seal.EarliestHour(t.Context(), store, "etl", nil); err != nil || !first.Before(end) {
			t.Errorf("%+v: the first open hour is %s, %v: too late", c.opts, first, err)
		}
		reach(t, out, 3, end.Add(c.behind), end.Add(c.behind))
		if first, err := seal.EarliestHour(t.Context(), store, "etl", nil); err != nil || !first.Equal(end) {
			t.Errorf("%+v: the first open hour is %s, %v, want %s", c.opts, first, err, end)
		}
	}
}

// Readers that take every file of a folder counted a seal's content as rows, or failed on it.
func TestASealIsEmptyAndHasTheNameThatWasAskedFor(t *testing.T) {
	for name, opts := range map[string]*seal.Options{"_SEALED": nil, "_done": {Name: "_done"}} {
		store := sinktest.NewMemory()
		out := attached(t, store, opts)
		reach(t, out, 1, noon, noon)
		reach(t, out, 2, noon.Add(2*time.Hour), noon.Add(2*time.Hour))
		if body, err := store.Read(t.Context(), "hits/day=2025-05-01/hour=12/"+name, 1<<20); err != nil || len(body) > 0 {
			t.Errorf("seal %s is %q, %v", name, body, err)
		}
	}
}

func TestReadGivesEachHourOnceAndInOrder(t *testing.T) {
	store := sinktest.NewMemory()
	out := attached(t, store, nil)
	reach(t, out, 1, noon, noon)
	reach(t, out, 2, noon.Add(3*time.Hour), noon.Add(4*time.Hour))
	var got []string
	for s, err := range seal.Read(t.Context(), store, "etl", time.Time{}, &seal.ReadOptions{Poll: -1}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, s.Hour.Format("15"))
	}
	if strings.Join(got, " ") != "12 13" {
		t.Errorf("hours %v, want 12 and 13", got)
	}
}

func TestWaitTellsThatAnHourIsNotSealed(t *testing.T) {
	store := sinktest.NewMemory()
	out := attached(t, store, nil)
	reach(t, out, 1, noon, noon)
	reach(t, out, 2, noon.Add(2*time.Hour), noon.Add(2*time.Hour))
	now := &seal.ReadOptions{Poll: -1}
	if s, err := seal.Wait(t.Context(), store, "etl", noon, now); err != nil || s.Flows["hits"].Rows != 2 {
		t.Errorf("12h: %v, %v, want 2 rows", s, err)
	}
	if _, err := seal.Wait(t.Context(), store, "etl", noon.Add(time.Hour), now); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an open hour: %v, want fs.ErrNotExist", err)
	}
	if _, err := seal.Wait(t.Context(), store, "etl", noon.Add(-time.Hour), nil); err == nil || !strings.Contains(err.Error(), "before the first") {
		t.Errorf("an hour before the first: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	cancel(why)
	if _, err := seal.Wait(ctx, store, "etl", noon.Add(time.Hour), nil); !errors.Is(err, why) {
		t.Errorf("when its context ends: %v, want its cause", err)
	}
}

func TestExplainNamesWhatAnHourWaitsFor(t *testing.T) {
	clock := noon.Add(3 * time.Hour)
	store := &sinktest.Memory{Clock: func() time.Time { return clock }}
	out := attached(t, store, nil)
	reach(t, out, 1, noon, noon)
	reach(t, out, 2, noon.Add(2*time.Hour))
	opts := &seal.ExplainOptions{Partitions: append([]record.Partition{{Source: "s", ID: "new"}}, partitions...)}
	explain := func(hour time.Time) string {
		blockers, err := seal.Explain(t.Context(), store, "etl", hour, opts)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, b := range blockers {
			all = append(all, b.String())
		}
		return strings.Join(all, "; ")
	}
	want := "partition s/b is complete up to 2025-05-01T11:45:00Z, having seen events up to 2025-05-01T12:00:00Z; " +
		"partition s/new exists, and nobody has committed anything of it"
	if got := explain(noon); got != want {
		t.Errorf("12h waits for %q, want %q", got, want)
	}
	if got := explain(noon.Add(3 * time.Hour)); !strings.Contains(got, "the store's clock must reach 2025-05-01T16:15:00Z") {
		t.Errorf("15h waits for %q, want the clock", got)
	}
	opts = nil
	reach(t, out, 3, noon.Add(2*time.Hour), noon.Add(2*time.Hour))
	if got := explain(noon); got != "" {
		t.Errorf("a closed hour waits for %q", got)
	}
}

func TestAWrongSealNameIsRefusedBeforeAnyWrite(t *testing.T) {
	store := sinktest.NewMemory()
	out, err := sink.Open(t.Context(), store, "etl", []sink.Flow[hit]{{Name: "hits", Format: format.JSONLines[hit]()}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	sealed := seal.Hourly(out, &seal.Options{Name: "a/b", Lateness: -2})
	err = sealed.Attach(t.Context(), driver.Job{Source: driver.SourceInfo{ID: "test"}})
	if err == nil || !strings.Contains(err.Error(), `"a/b"`) || !strings.Contains(err.Error(), "lateness -2ns") {
		t.Errorf("attach: %v, want both faults", err)
	}
	if _, err := store.Read(t.Context(), "_onceflow/etl/e0001/genesis.json", 1<<20); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("genesis: %v, want none", err)
	}
}
