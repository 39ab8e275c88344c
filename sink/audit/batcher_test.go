package audit_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/audit"
	"github.com/onceflow/onceflow/sink/sinktest"
)

// sent keeps the lines that were sent.
type sent struct {
	mu    sync.Mutex
	lines []string
	ids   []audit.ID
	begin func([]audit.Line) error // nil: all is well
}

func (s *sent) Send(_ context.Context, lines []audit.Line) error {
	if s.begin != nil {
		if err := s.begin(lines); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range lines {
		s.lines = append(s.lines, string(lines[i].Event.Value))
		s.ids = append(s.ids, lines[i].Mark.ID)
	}
	return nil
}

func events(values ...string) (all []audit.Event) {
	for _, v := range values {
		all = append(all, audit.Event{Value: []byte(v)})
	}
	return all
}

func batcher(t testing.TB, store sink.Store, send audit.Sender, opts *audit.BatcherOptions) (*audit.Batcher, error) {
	f := folder(t, store)
	return audit.OpenBatcher(t.Context(), f, audit.NewObjects(f), send, opts)
}

// around lists the batches of the hours around a time.
func around(t *testing.T, store sink.Store, at time.Time) (all []audit.Registration) {
	t.Helper()
	for r, err := range audit.NewObjects(folder(t, store)).List(t.Context(), at.Add(-2*time.Hour), at.Add(2*time.Hour)) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

// Wherever the producer dies, a client that was told that its events are accepted finds them kept and registered. No batch
// is registered that is not kept, and none is sent that is not registered.
func TestWhatIsAcceptedIsKeptAndRegisteredWhereverTheProducerDies(t *testing.T) {
	for _, mode := range []sinktest.Mode{sinktest.Refuse, sinktest.ApplyThenFail, sinktest.ApplyThenExist, sinktest.ApplyLate, sinktest.Crash, sinktest.ApplyThenCrash} {
		for k := 0; ; k++ {
			if synctestRun(t, fmt.Sprintf("%v at call %d", mode, k), func(t *testing.T) bool { return dies(t, k, mode) }) {
				break
			}
		}
	}
}

// synctestRun runs f in a bubble of its own.
func synctestRun(t *testing.T, name string, f func(*testing.T) bool) (over bool) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { over = f(t) }) })
	return over || t.Failed()
}

func dies(t *testing.T, k int, mode sinktest.Mode) (over bool) {
	memory := sinktest.NewMemory()
	faulty := sinktest.FailAt(memory, k, mode)
	healthy := folder(t, memory)
	crash := mode == sinktest.Crash || mode == sinktest.ApplyThenCrash
	send := &sent{begin: func(lines []audit.Line) error {
		if !slices.ContainsFunc(around(t, memory, time.Now()), func(r audit.Registration) bool { return r.ID == lines[0].Mark.ID }) {
			t.Errorf("batch %s is sent and not registered", lines[0].Mark.ID)
		}
		if faulty.Crashed() {
			return sinktest.ErrCrashed // a dead process sends nothing
		}
		return nil
	}}
	b, err := batcher(t, faulty, send, &audit.BatcherOptions{Lines: 2})
	if err != nil {
		if !crash {
			t.Errorf("OpenBatcher: %v", err)
		}
		return false
	}
	for i := range 3 {
		want := []string{fmt.Sprint("a", i), fmt.Sprint("b", i)}
		r, err := b.Add(t.Context(), events(want...))
		if err != nil {
			if !crash {
				t.Errorf("batch %d: %v, want it to be tried again", i, err)
			}
			continue
		}
		lines, err := healthy.Lines(t.Context(), r.ID)
		if err != nil || len(lines) != 2 || string(lines[r.First-1].Event.Value) != want[0] || string(lines[r.First].Event.Value) != want[1] {
			t.Errorf("events %v are accepted, and kept are %v, %v", want, lines, err)
		}
		if !slices.ContainsFunc(around(t, memory, time.Now()), func(o audit.Registration) bool { return o.ID == r.ID && o.Lines == 2 && o.Bytes == 4 }) {
			t.Errorf("events %v are accepted, and not registered", want)
		}
	}
	if err := b.Close(t.Context()); err != nil {
		t.Error(err)
	}
	for _, r := range around(t, memory, time.Now()) {
		if lines, err := healthy.Lines(t.Context(), r.ID); err != nil || len(lines) != r.Lines {
			t.Errorf("batch %s is registered with %d lines, and kept are %v, %v", r.ID, r.Lines, lines, err)
		}
	}
	if stats := b.Stats(); !crash && (stats.Batches != 3 || len(send.lines) != 6) {
		t.Errorf("%+v, and %v was sent, want 3 batches of 2", stats, send.lines)
	}
	return faulty.Calls() <= k
}

func TestABatchEndsByLinesBytesAndAge(t *testing.T) {
	for name, c := range map[string]struct {
		opts audit.BatcherOptions
		wait time.Duration
	}{
		"lines": {audit.BatcherOptions{Lines: 3}, 0},
		"bytes": {audit.BatcherOptions{Bytes: 6}, 0},
		"age":   {audit.BatcherOptions{}, 500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, send := sinktest.NewMemory(), &sent{}
				b, err := batcher(t, store, send, &c.opts)
				if err != nil {
					t.Fatal(err)
				}
				begun := time.Now()
				var group sync.WaitGroup
				firsts := make([]int, 3)
				for i := range 3 {
					group.Go(func() {
						r, err := b.Add(t.Context(), events("xx"))
						if err != nil {
							t.Error(err)
						}
						firsts[i] = r.First
					})
				}
				group.Wait()
				if waited := time.Since(begun); waited != c.wait {
					t.Errorf("clients have waited for %s, want %s", waited, c.wait)
				}
				if slices.Sort(firsts); !slices.Equal(firsts, []int{1, 2, 3}) {
					t.Errorf("their lines are %v, want 1 to 3", firsts)
				}
				if got := around(t, store, time.Now()); len(got) != 1 || got[0].Lines != 3 || !got[0].Oldest.Equal(got[0].ID.Time()) {
					t.Errorf("registered %v, want one batch", got)
				}
			})
		})
	}
}

func TestTheOldestEventTimeIsRegistered(t *testing.T) {
	store := sinktest.NewMemory()
	b, err := batcher(t, store, &sent{}, &audit.BatcherOptions{Lines: 3})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Add(t.Context(), []audit.Event{{Time: noon}, {}, {Time: noon.Add(-time.Minute)}}); err != nil {
		t.Fatal(err)
	}
	if got := around(t, store, time.Now()); len(got) != 1 || !got[0].Oldest.Equal(noon.Add(-time.Minute)) {
		t.Errorf("registered %v, want the oldest event", got)
	}
}

// A machine whose clock was wrong once put its batches where no auditor looked for them.
func TestIDsHaveTheStoresClock(t *testing.T) {
	store := &sinktest.Memory{Clock: func() time.Time { return noon }}
	b, err := batcher(t, store, &sent{}, &audit.BatcherOptions{Lines: 1})
	if err != nil {
		t.Fatal(err)
	}
	r, err := b.Add(t.Context(), events("x"))
	if at := r.ID.Time(); err != nil || at.Before(noon) || at.After(noon.Add(time.Hour)) {
		t.Errorf("the ID is of %s, %v; the store's clock shows %s", at, err, noon)
	}
}

func TestABatcherThatIsFullSaysSoAndAcceptsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		send := &sent{begin: func([]audit.Line) error { <-gate; return nil }}
		store := sinktest.NewMemory()
		b, err := batcher(t, store, send, &audit.BatcherOptions{Lines: 1, Bytes: 100, Memory: 300})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range []string{"a", "b"} { // kept, and not sent
			if _, err := b.Add(t.Context(), events(v)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := b.Add(t.Context(), events("c")); !errors.Is(err, audit.ErrBusy) {
			t.Errorf("a full batcher says %v, want ErrBusy", err)
		}
		close(gate)
		synctest.Wait()
		if _, err := b.Add(t.Context(), events("d")); err != nil {
			t.Errorf("once there is room: %v", err)
		}
		if err := b.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := b.Add(t.Context(), events("e")); !errors.Is(err, audit.ErrClosed) {
			t.Errorf("a closed batcher says %v, want ErrClosed", err)
		}
		if slices.Sort(send.lines); !slices.Equal(send.lines, []string{"a", "b", "d"}) {
			t.Errorf("sent %v", send.lines)
		}
	})
}

// A source that is away costs no client anything: what is kept and registered is accepted.
func TestEventsAreAcceptedThoughTheSourceIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := batcher(t, sinktest.NewMemory(), audit.SenderFunc(func(context.Context, []audit.Line) error { return errors.New("away") }), &audit.BatcherOptions{Lines: 1})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Add(t.Context(), events("x")); err != nil {
			t.Error(err)
		}
		if err := b.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if got, want := b.Stats(), (audit.BatcherStats{Batches: 1, Lines: 1, Unsent: 1}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}

// A store that is away makes clients try again, and not wait for ever.
func TestAClientIsToldThatItsBatchCannotBeKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := false
		store := sinktest.NewFaulty(sinktest.NewMemory(), func(context.Context, sinktest.Call) sinktest.Mode {
			if away {
				return sinktest.Refuse
			}
			return sinktest.Pass
		})
		send := &sent{}
		b, err := batcher(t, store, send, &audit.BatcherOptions{Lines: 1})
		if err != nil {
			t.Fatal(err)
		}
		away = true
		begun := time.Now()
		if _, err := b.Add(t.Context(), events("x")); !errors.Is(err, sinktest.ErrFault) {
			t.Errorf("got %v, want what the store says", err)
		}
		if waited := time.Since(begun); waited != 30*time.Second {
			t.Errorf("the client has waited for %s, want the 30 s of Patience", waited)
		}
		if err := b.Close(t.Context()); err != nil || len(send.lines) > 0 || b.Stats().Failed != 1 {
			t.Errorf("%v, %+v, and %v was sent", err, b.Stats(), send.lines)
		}
	})
}

// A batcher with less memory than a batch takes once told a client to come later, for ever.
func TestMemoryInWhichEventsNeverFindRoomIsRefused(t *testing.T) {
	for _, o := range []audit.BatcherOptions{{Memory: 1}, {Memory: 4 << 20}, {Lines: 10, Bytes: 100, Memory: 1299}} {
		_, err := batcher(t, sinktest.NewMemory(), &sent{}, &o)
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("memory %d has no room for one batch", o.Memory)) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	for _, o := range []audit.BatcherOptions{{}, {Lines: audit.MaxLines}, {Bytes: 64 << 20}, {Lines: 10, Bytes: 100, Memory: 1300}} {
		synctest.Test(t, func(t *testing.T) {
			b, err := batcher(t, sinktest.NewMemory(), &sent{}, &o)
			if err != nil {
				t.Fatalf("%+v: %v", o, err)
			}
			largest := make([]audit.Event, cmp.Or(o.Lines, 10_000))
			largest[0].Value = make([]byte, cmp.Or(o.Bytes, 4<<20))
			if _, err := b.Add(t.Context(), largest); err != nil {
				t.Errorf("%+v: the largest batch: %v", o, err)
			}
			if err := b.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// A batch that waits for more events does not keep them out by the memory that it has.
func TestAFullBatcherEndsTheOpenBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := batcher(t, sinktest.NewMemory(), &sent{}, &audit.BatcherOptions{Lines: 3, Bytes: 100, Memory: 460, Age: 24 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		accepted := make(chan error)
		go func() {
			_, err := b.Add(t.Context(), events("a", "b"))
			accepted <- err
		}()
		synctest.Wait()
		if _, err := b.Add(t.Context(), events("c", "d")); !errors.Is(err, audit.ErrBusy) {
			t.Errorf("got %v, want ErrBusy", err)
		}
		if err := <-accepted; err != nil || time.Since(begun) > time.Minute {
			t.Errorf("after %s: %v", time.Since(begun), err)
		}
		synctest.Wait()
		if _, err := b.Add(t.Context(), events("c", "d", "e")); err != nil {
			t.Errorf("once there is room: %v", err)
		}
		if err := b.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// An event of a time that no ledger holds once went into a batch with those of others.
func TestAnEventOfAnImpossibleTimeIsRefused(t *testing.T) {
	b, err := batcher(t, sinktest.NewMemory(), &sent{}, &audit.BatcherOptions{Lines: 2})
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []time.Time{time.Unix(1<<62, 0), time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC)} {
		_, err := b.Add(t.Context(), []audit.Event{{Time: noon}, {Time: at}})
		if !errors.Is(err, fs.ErrInvalid) || !strings.Contains(err.Error(), "event 2 of 2") {
			t.Errorf("%s: %v, want that event 2 is refused", at, err)
		}
	}
}

// Lines that the source will never take are counted and named.
func TestRefusedLinesAreCountedAndNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		why := errors.New("from tomorrow")
		send := audit.SenderFunc(func(_ context.Context, lines []audit.Line) error {
			return fmt.Errorf("topic x: %w", &audit.RefusedError{Lines: []audit.Refusal{{lines[1].Mark, why}, {lines[2].Mark, why}}})
		})
		b, err := batcher(t, sinktest.NewMemory(), send, &audit.BatcherOptions{Lines: 3, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		r, err := b.Add(t.Context(), events("a", "b", "c"))
		if err != nil {
			t.Error(err)
		}
		if err := b.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if got, want := b.Stats(), (audit.BatcherStats{Batches: 1, Lines: 3, Unsent: 1, Refused: 2}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if want := fmt.Sprintf("line 3 of batch %s: from tomorrow", r.ID); !strings.Contains(log.String(), want) {
			t.Errorf("the log says %q, want %q", log.String(), want)
		}
	})
}

func TestARefusedErrorNamesAFewLinesAndMatchesAll(t *testing.T) {
	last := errors.New("the last")
	e := &audit.RefusedError{}
	for i := range 7 {
		e.Lines = append(e.Lines, audit.Refusal{Mark: audit.Mark{ID: audit.FirstID(noon), Line: i + 1}, Err: errors.New("too large")})
	}
	e.Lines[6].Err = last
	if s := e.Error(); !strings.Contains(s, "7 lines") || !strings.Contains(s, "line 5 of") || strings.Contains(s, "line 6 of") || !strings.Contains(s, "and 2 more") {
		t.Errorf("it says %q", s)
	}
	if !errors.Is(e, fs.ErrInvalid) || !errors.Is(e, last) {
		t.Error("it does not match fs.ErrInvalid and the error of its last line")
	}
}

func TestWhatFitsIntoNoBatchIsRefused(t *testing.T) {
	b, err := batcher(t, sinktest.NewMemory(), &sent{}, &audit.BatcherOptions{Lines: 2, Bytes: 10})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range [][]audit.Event{nil, events("a", "b", "c"), events("0123456789x")} {
		if _, err := b.Add(t.Context(), e); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%d events: %v, want ErrInvalid", len(e), err)
		}
	}
	f := folder(t, sinktest.NewMemory())
	for _, o := range []audit.BatcherOptions{{Lines: -1}, {Lines: audit.MaxLines + 1}, {Bytes: -1}, {Bytes: 1 << 30}, {Age: -1}, {Memory: -1}, {Patience: -1}} {
		if _, err := audit.OpenBatcher(t.Context(), f, audit.NewObjects(f), &sent{}, &o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
	if _, err := audit.OpenBatcher(t.Context(), f, nil, nil, nil); err == nil {
		t.Error("a batcher without registry and sender is opened")
	}
}
