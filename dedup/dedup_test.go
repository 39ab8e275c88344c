package dedup_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/dedup"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
	"github.com/onceflow/onceflow/stream/streamtest"
)

type hit struct {
	ID string
	N  int
}

func (h *hit) id() string { return h.ID }

func TestCopiesWithinTheWindowAreDropped(t *testing.T) {
	var st dedup.Stats
	l := streamtest.Open(t, dedup.ByID(dedup.NewMemory(nil), (*hit).id, &dedup.Options{Stats: &st}))
	for i, id := range []string{"a", "b", "a", "", "", "b"} {
		l.Feed(t0.Add(time.Duration(i)*time.Minute), hit{id, i})
	}
	if want := []hit{{"a", 0}, {"b", 1}, {"", 3}, {"", 4}}; !slices.Equal(l.Out, want) {
		t.Errorf("got %v, want %v", l.Out, want)
	}
	if want := (record.Counts{record.Written: 4, record.Duplicate: 2}); l.Fates() != want {
		t.Errorf("fates %v, want %v", l.Fates(), want)
	}
	if st.Claims.Load() != 4 || st.Hits.Load() != 2 || st.Empty.Load() != 2 {
		t.Errorf("%d claims, %d hits, %d empty; want 4, 2, 2", st.Claims.Load(), st.Hits.Load(), st.Empty.Load())
	}
}

func TestOnlyTheCommittedClockForgets(t *testing.T) {
	l := streamtest.Open(t, dedup.ByID(dedup.NewMemory(nil), (*hit).id, &dedup.Options{Window: 2 * time.Hour, Bucket: time.Hour}))
	l.Feed(t0, hit{"a", 1})
	l.Feed(t0, hit{"b", 2})
	l.Advance(t0.Add(100 * time.Hour))
	if got := l.Feed(t0.Add(time.Hour), hit{"a", 3}); len(got) != 0 {
		t.Errorf("got %v: a clock that no ledger has let an ID go", got)
	}
	// The oldest pending event is 10 minutes after the records, so their bucket must stay.
	l.Committed(record.Clocks{Lane: record.Clock{MaxEventTime: t0.Add(9 * time.Hour), Pending: t0.Add(10 * time.Minute)}})
	if got := l.Feed(t0.Add(time.Hour), hit{"a", 4}); len(got) != 0 {
		t.Errorf("got %v: an ID at the time of a pending event was forgotten", got)
	}
	l.Committed(record.Clocks{Job: record.Clock{MaxEventTime: t0.Add(99 * time.Hour)}, Lane: record.Clock{MaxEventTime: t0.Add(150 * time.Minute)}})
	if got := l.Feed(t0.Add(time.Hour), hit{"a", 5}); len(got) != 0 {
		t.Errorf("got %v: a local store followed the job's clock, or forgot within a bucket", got)
	}
	l.Committed(record.Clocks{Lane: record.Clock{MaxEventTime: t0.Add(3 * time.Hour)}})
	if got := l.Feed(t0.Add(3*time.Hour), hit{"a", 6}); len(got) != 1 {
		t.Errorf("got %v, want the copy: it is farther away than the window", got)
	}
}

func TestSharedStoreForgetsByTheJobsClock(t *testing.T) {
	l := streamtest.Open(t, dedup.ByID(newShared(), (*hit).id, &dedup.Options{Window: 2 * time.Hour, Bucket: time.Hour}))
	l.Feed(t0, hit{"a", 1})
	// This lane is far ahead of the slowest one, which may still bring the copy.
	ahead := record.Clock{MaxEventTime: t0.Add(99 * time.Hour)}
	for i, job := range []record.Clock{{}, {MaxEventTime: t0.Add(150 * time.Minute)}, {MaxEventTime: t0.Add(9 * time.Hour), Pending: t0}} {
		l.Committed(record.Clocks{Lane: ahead, Job: job})
		if got := l.Feed(t0.Add(time.Hour), hit{"a", 2 + i}); len(got) != 0 {
			t.Errorf("job's clock %v: got %v, want a duplicate", job, got)
		}
	}
	l.Committed(record.Clocks{Job: record.Clock{MaxEventTime: t0.Add(3 * time.Hour)}})
	if got := l.Feed(t0.Add(3*time.Hour), hit{"a", 9}); len(got) != 1 {
		t.Errorf("got %v, want the copy: it is farther away than the window", got)
	}
}

func TestLocalStoreIsRefilledAfterACrash(t *testing.T) {
	var st dedup.Stats
	l := streamtest.Open(t, dedup.ByID(dedup.NewMemory(nil), (*hit).id, &dedup.Options{Stats: &st}))
	for i, id := range []string{"a", "b", "a"} {
		l.Feed(t0.Add(time.Duration(i)*time.Hour), hit{id, i})
	}
	l.Crash()
	for _, id := range []string{"a", "b"} {
		if got := l.Feed(t0.Add(4*time.Hour), hit{id, 9}); len(got) != 0 {
			t.Errorf("%s: got %v, want a duplicate of a record of before the crash", id, got)
		}
	}
	if st.Refilled.Load() != 3 {
		t.Errorf("%d records refilled, want 3", st.Refilled.Load())
	}
}

func TestRecordIsNeverItsOwnDuplicate(t *testing.T) {
	for name, store := range map[string]dedup.Store{"local": dedup.NewMemory(nil), "shared": newShared()} {
		t.Run(name, func(t *testing.T) {
			l := streamtest.Open(t, dedup.ByID(store, (*hit).id, nil))
			l.Feed(t0, hit{"a", 1})
			l.Commit()
			l.Feed(t0, hit{"b", 2})
			l.Feed(t0, hit{"b", 3})
			l.Feed(t0, hit{"a", 4})
			for range 3 {
				l.Fence() // "b" claimed its ID in a transaction that is void now
			}
			if want := []hit{{"a", 1}, {"b", 2}}; !slices.Equal(l.Out, want) {
				t.Errorf("got %v, want %v", l.Out, want)
			}
		})
	}
}

func TestPendingRecordHasWon(t *testing.T) {
	for name, store := range map[string]dedup.Store{"local": dedup.NewMemory(nil), "shared": newShared()} {
		t.Run(name, func(t *testing.T) {
			var st dedup.Stats
			l := streamtest.Open(t, stream.Compose(dedup.ByID(store, (*hit).id, &dedup.Options{Stats: &st}), keeper{}))
			l.Feed(t0, hit{"a", 1})
			l.Feed(t0, hit{"a", 2}) // a duplicate, finished: the refill knows it and not the first
			l.Crash()
			l.Feed(t0, hit{"a", 3})
			if got := l.Advance(record.EndOfTime); !slices.Equal(got, []hit{{"a", 1}}) {
				t.Errorf("got %v, want the record that was held", got)
			}
			if st.Forced.Load() != 1 {
				t.Errorf("%d forced claims, want 1", st.Forced.Load())
			}
		})
	}
}

func TestEventsOfOneRecordWithOneIDAreCopies(t *testing.T) {
	s := stream.Compose(stream.FlatMap(func(in *[]string, yield func(hit)) error {
		for i, id := range *in {
			yield(hit{id, i})
		}
		return nil
	}), dedup.ByID(newShared(), (*hit).id, nil))
	l := streamtest.Open(t, s)
	in := []string{"a", "b", "a", ""}
	for i := range 40 {
		in = append(in, fmt.Sprint(i%20))
	}
	if got := l.Feed(t0, in); len(got) != 23 {
		t.Errorf("got %d events %v, want a, b, one without ID and 20 numbers", len(got), got)
	}
}

func TestLinesOfAPendingRecordKeepTheirFateInASharedStore(t *testing.T) {
	s := stream.Compose(stream.FlatMap(func(in *[]string, yield func(hit)) error {
		for i, id := range *in {
			yield(hit{id, i})
		}
		return nil
	}), dedup.ByID(newShared(), (*hit).id, nil))
	l := streamtest.Open(t, stream.Compose(s, keeper{}))
	l.Feed(t0, []string{"a"})
	l.Feed(t0, []string{"a", "b"}) // a is a duplicate, b waits
	l.Crash()
	l.Advance(record.EndOfTime)
	if want := []hit{{"a", 0}, {"b", 1}}; !slices.Equal(l.Out, want) {
		t.Errorf("got %v, want %v", l.Out, want)
	}
}

func TestOptionsReportAllFaults(t *testing.T) {
	err := stage.TraitsOf(dedup.ByID[hit](nil, nil, &dedup.Options{Window: -5, Bucket: -1, Patience: -7})).Err
	for _, want := range []string{"Window", "Bucket", "Patience", "store"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want a word about %s", err, want)
		}
	}
}

func TestFailingSharedStoreHoldsTheLaneUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var st dedup.Stats
		store := newShared()
		p := openStage(t, dedup.ByID(store, (*hit).id, &dedup.Options{Stats: &st, Patience: time.Minute}))
		store.fail(errors.New("connection refused"))
		done := make(chan error, 1)
		var out stage.Emitter[hit]
		go func() { done <- p.Process(t.Context(), one("a"), &out) }()
		time.Sleep(20 * time.Second) //nolint:forbidigo // the clock of the bubble
		synctest.Wait()
		if err := st.Failing(); err == nil || !strings.Contains(err.Error(), "refused") {
			t.Errorf("Failing is %v, want the store's error", err)
		}
		store.fail(nil)
		if err := <-done; err != nil {
			t.Errorf("after the store came back: %v", err)
		}
		if events, _ := out.Take(); len(events) != 1 || st.Failing() != nil || st.Retries.Load() == 0 {
			t.Errorf("%d events, failing %v, %d retries; want 1, nil, some", len(events), st.Failing(), st.Retries.Load())
		}

		store.fail(errors.New("connection refused"))
		begun := time.Now()
		err := p.Process(t.Context(), one("b"), &out)
		if err == nil || !strings.Contains(err.Error(), "more than 1m0s") || time.Since(begun) < time.Minute {
			t.Errorf("after %s: %v, want an error after a minute", time.Since(begun), err)
		}
		if events, ends := out.Take(); len(events)+len(ends) != 0 {
			t.Errorf("%d events and %d outcomes of a batch that failed, want none", len(events), len(ends))
		}

		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			time.Sleep(time.Second) //nolint:forbidigo // the clock of the bubble
			cancel()
		}()
		if err := p.Process(ctx, one("c"), &out); !errors.Is(err, context.Canceled) {
			t.Errorf("lane taken away: %v, want context.Canceled", err)
		}
	})
}

func TestRefusalAndForgettingAreNotTriedAgain(t *testing.T) {
	for _, final := range []error{dedup.ErrRefused, dedup.ErrForgotten} {
		synctest.Test(t, func(t *testing.T) {
			store := newShared()
			p := openStage(t, dedup.ByID(store, (*hit).id, nil))
			store.fail(fmt.Errorf("test: %w", final))
			begun := time.Now()
			var out stage.Emitter[hit]
			if err := p.Process(t.Context(), one("a"), &out); !errors.Is(err, final) || time.Since(begun) > 0 {
				t.Errorf("after %s: %v, want %v at once", time.Since(begun), err, final)
			}
		})
	}
}

func TestDedupDecidesWhoWins(t *testing.T) {
	if !stage.TraitsOf(dedup.ByID(newShared(), (*hit).id, nil)).ClaimsFirst {
		t.Error("Run could not refuse a join before it")
	}
}

func one(id string) []record.Event[hit] {
	return []record.Event[hit]{{Value: hit{ID: id}, Time: t0, Origin: record.NewOrigin(1)}}
}

func openStage(t *testing.T, s stage.Stage[hit, hit]) stage.Processor[hit, hit] {
	p, err := s.Open(&stage.Lane{Name: "x"})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestHotPathDoesNotAllocate(t *testing.T) {
	p := openStage(t, dedup.ByID(dedup.NewMemory(nil), (*hit).id, nil))
	in := make([]record.Event[hit], 4096)
	for i := range in {
		in[i] = record.Event[hit]{Value: hit{ID: fmt.Sprint("some id ", i)}, Time: t0, Origin: record.NewOrigin(uint32(i))}
	}
	partition := &record.Partition{}
	out := stage.NewEmitter[hit](stage.LookupFunc(func(record.Origin) record.Ref { return record.Ref{Partition: partition} }))
	n := testing.AllocsPerRun(50, func() {
		if err := p.Process(t.Context(), in, out); err != nil {
			t.Fatal(err)
		}
		out.Take()
	})
	if n > 10 {
		t.Errorf("%v allocations for a batch of %d events", n, len(in))
	}
}
