package audit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/audit"
	"github.com/onceflow/onceflow/sink/sinktest"
)

// audited is a world with an auditor.
type audited struct {
	*world
	c    audit.Config
	send *losses
	b    *audit.Batcher
	end  func() // of the auditor

	reports atomic.Int64
	last    atomic.Pointer[audit.Report]
}

// lossy begins a world in which batches have a line each.
func lossy(t *testing.T, fate func(l *audit.Line, try int) (int, error)) *audited {
	t.Helper()
	w := &audited{world: newWorld(t)}
	w.begin(fate)
	return w
}

func (w *audited) begin(fate func(l *audit.Line, try int) (int, error)) {
	t := w.t
	t.Helper()
	w.start()
	w.c, w.send = w.config(), &losses{w: w.world, fate: fate}
	var err error
	if w.b, err = audit.OpenBatcher(t.Context(), w.c.Batches, w.c.Registry, w.send, &audit.BatcherOptions{Lines: 1}); err != nil {
		t.Fatal(err)
	}
	for i := range lanes { // the job has begun
		w.log.Append(i, 0, time.Now(), string(made(1_000_000+i, 1)[0].Value))
	}
}

func (w *audited) add(n int) (ids []audit.ID) {
	w.t.Helper()
	for i := range n {
		r, err := w.b.Add(w.t.Context(), made(i, 1))
		if err != nil {
			w.t.Fatal(err)
		}
		ids = append(ids, r.ID)
	}
	return ids
}

// run begins an auditor of c.
func (w *audited) run(c audit.Config, opts audit.Options) {
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	opts.Observe = func(r *audit.Report) {
		w.reports.Add(1)
		w.last.Store(r)
	}
	go func() { ended <- audit.Run(ctx, c, w.send, &opts) }()
	w.end = func() {
		w.t.Helper()
		cancel()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	}
}

// close ends all.
func (w *audited) close() {
	w.t.Helper()
	if w.end != nil {
		w.end()
	}
	if err := w.b.Close(w.t.Context()); err != nil {
		w.t.Error(err)
	}
	w.stop()
}

func arrives(*audit.Line, int) (int, error) { return 1, nil }
func isLost(*audit.Line, int) (int, error)  { return 0, nil }

// clockOf is a store with a clock of its own.
type clockOf struct {
	*sinktest.Memory
	now func() (time.Time, error)
}

func (c *clockOf) Now(context.Context) (time.Time, error) { return c.now() }

// A store that does not even tell its time once ended the auditor, and before that its last good report was all that was seen.
func TestAStoreThatIsAwayIsReportedAndTriedAgain(t *testing.T) {
	for what, broken := range map[string]error{"its rights are gone": fs.ErrPermission, "it does not answer": errors.New("connection refused")} {
		synctest.Test(t, func(t *testing.T) {
			w := lossy(t, arrives)
			w.add(3)
			pass(30 * time.Minute)
			var away atomic.Bool
			c := w.c
			c.Batches = folder(t, &clockOf{w.store, func() (time.Time, error) {
				if away.Load() {
					return time.Time{}, broken
				}
				return time.Now(), nil
			}})
			w.run(c, audit.Options{Keep: 6 * time.Hour})
			pass(10 * time.Minute)
			synctest.Wait()
			if r := w.last.Load(); r == nil || !r.Complete() || r.Sum.Batches != 3 {
				t.Fatalf("%s: before that: %+v", what, r)
			}
			away.Store(true)
			pass(10 * time.Minute)
			synctest.Wait()
			r := w.last.Load()
			var metrics, table bytes.Buffer
			if err := errors.Join(r.WriteMetrics(&metrics), r.WriteTable(&table)); err != nil {
				t.Fatal(err)
			}
			if r.Complete() || len(r.Away) != 1 || r.Away[0].What != audit.InBatches || !strings.Contains(r.Away[0].Error, broken.Error()) ||
				!strings.Contains(metrics.String(), "onceflow_audit_away{what=\"batches\"} 1\n") || !strings.Contains(table.String(), broken.Error()) || time.Since(r.At) > 5*time.Minute {
				t.Errorf("%s: the report is %+v\n%s", what, r, metrics.String())
			}
			away.Store(false)
			pass(10 * time.Minute)
			synctest.Wait()
			if r := w.last.Load(); !r.Complete() || r.Sum.Batches != 3 {
				t.Errorf("%s: when it is back: %+v", what, r)
			}
			w.close()
		})
	}
}

// hanging is a registry whose listings give nothing while it hangs.
type hanging struct {
	audit.Registry
	hangs, deaf atomic.Bool
	free        chan struct{} // ends listings that do not hear their context
	asked       atomic.Int64
}

func (h *hanging) List(ctx context.Context, from, to time.Time) iter.Seq2[audit.Registration, error] {
	if !h.hangs.Load() {
		return h.Registry.List(ctx, from, to)
	}
	return func(yield func(audit.Registration, error) bool) {
		h.asked.Add(1)
		if h.deaf.Load() {
			<-h.free
			return
		}
		<-ctx.Done()
		yield(audit.Registration{}, ctx.Err())
	}
}

// A registry that hangs once kept the auditor from all reports, and its metrics stayed as they were.
func TestARegistryThatHangsIsReported(t *testing.T) {
	for _, deaf := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := lossy(t, arrives)
			w.add(3)
			pass(30 * time.Minute)
			h := &hanging{Registry: w.c.Registry, free: make(chan struct{})}
			h.hangs.Store(true)
			h.deaf.Store(deaf)
			c := w.c
			c.Registry = h
			w.run(c, audit.Options{Keep: 5 * 24 * time.Hour, Patience: 20 * time.Second})
			pass(5 * time.Minute)
			synctest.Wait()
			r := w.last.Load()
			if r == nil || r.Complete() || len(r.Away) < 100 || r.Away[0].What != audit.InRegistry || !strings.Contains(r.Away[0].Error, map[bool]string{false: "no answer for 20s", true: "listings of the registry go on"}[deaf]) {
				t.Fatalf("deaf: %t: in five minutes the report is %+v", deaf, r)
			}
			if n := h.asked.Load(); n > 100 {
				t.Errorf("it was asked %d times", n)
			}
			h.hangs.Store(false)
			close(h.free)
			pass(5 * time.Minute)
			synctest.Wait()
			if r := w.last.Load(); !r.Complete() || r.Sum.Batches != 3 {
				t.Errorf("deaf: %t: when it answers: %+v", deaf, r)
			}
			w.close()
		})
	}
}

// Four batches that could not be read, or that the source refused, once kept all others from being sent again.
func TestBatchesThatCannotBeSentKeepNoneFromIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const bad, good = 40, 20
		refused := map[audit.ID]bool{}
		w := lossy(t, func(l *audit.Line, try int) (int, error) {
			switch {
			case try == 1:
				return 0, nil
			case refused[l.Mark.ID]:
				return 0, fmt.Errorf("topic x: %w", &audit.RefusedError{Lines: []audit.Refusal{{Mark: l.Mark, Err: errors.New("the record is too large")}}})
			}
			return 1, nil
		})
		unreadable := map[string]bool{}
		for _, id := range w.add(bad) {
			unreadable[id.String()] = true
		}
		for _, id := range w.add(bad) {
			refused[id] = true
		}
		pass(time.Second)
		w.add(good)
		c := w.c
		c.Batches = folder(t, sinktest.NewFaulty(w.store, func(_ context.Context, call sinktest.Call) sinktest.Mode {
			if key := call.Key; strings.Contains(key, "/batches/") && unreadable[key[strings.LastIndexByte(key, '/')+1:]] && call.Op == sinktest.OpRead {
				return sinktest.Refuse
			}
			return sinktest.Pass
		}))
		w.run(c, audit.Options{Keep: 24 * time.Hour})
		pass(30 * time.Minute)
		synctest.Wait()
		if r := w.last.Load(); r.Sum.Words[audit.Complete] != good || r.Sum.Words[audit.Repaired] != good || r.Sum.Words[audit.Incomplete] != 2*bad {
			t.Errorf("%+v, want %d batches that are complete again", r.Sum, good)
		}
		w.close()
	})
}

// forgetful is a registry that lists nothing while it is away, as a replica does that has lost its data.
type forgetful struct {
	audit.Registry
	away atomic.Bool
}

func (f *forgetful) List(ctx context.Context, from, to time.Time) iter.Seq2[audit.Registration, error] {
	if f.away.Load() {
		return func(func(audit.Registration, error) bool) {}
	}
	return f.Registry.List(ctx, from, to)
}

// What was listed while a registry had lost its data once counted as complete for as long as the auditor ran.
func TestWhatARegistryMissedIsLookedAtAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := lossy(t, isLost)
		g := &forgetful{Registry: w.c.Registry}
		g.away.Store(true)
		w.c.Registry = g
		w.add(3)
		w.log.EndAll()
		w.run(w.c, audit.Options{Keep: 48 * time.Hour, Every: 10 * time.Minute})
		pass(8 * time.Hour)
		synctest.Wait()
		if r := w.last.Load(); r.Sum.Batches != 0 {
			t.Fatalf("while it is away: %+v", r.Sum)
		}
		g.away.Store(false)
		pass(7 * time.Hour)
		synctest.Wait()
		if r := w.last.Load(); r.Complete() || r.Sum.Words[audit.Incomplete] != 3 {
			t.Errorf("seven hours after the registry was back: %+v", r.Sum)
		}
		w.close()
	})
}

// A job that stands makes nothing incomplete, and once that was all that was said until the registrations had expired.
func TestAJobThatStandsForTooLongIsAnAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := lossy(t, arrives)
		pass(time.Minute)
		w.stop()
		w.add(3)
		w.run(w.c, audit.Options{Keep: 8 * time.Hour})
		pass(7 * time.Hour)
		synctest.Wait()
		r := w.last.Load()
		var metrics bytes.Buffer
		if err := r.WriteMetrics(&metrics); err != nil {
			t.Fatal(err)
		}
		if r.Sum.Words[audit.Waiting] != 3 || r.Sum.Words[audit.Expiring] != 3 || r.Sum.Words[audit.Incomplete] != 0 ||
			strings.Contains(metrics.String(), "onceflow_audit_seconds_left -1\n") || strings.Contains(metrics.String(), "onceflow_audit_behind_seconds -1\n") {
			t.Errorf("an hour before they expire: %+v\n%s", r.Sum, metrics.String())
		}
		pass(90 * time.Minute)
		synctest.Wait()
		if r := w.last.Load(); r.Sum.Words[audit.Expired] != 3 || r.Complete() {
			t.Errorf("after that: %+v", r.Sum)
		}
		w.start()
		w.close()
	})
}

// One event of a client whose clock is hours ahead once said that the job had read all that came for hours. When it stood, and
// when it was behind, its batches were sent again as if they were missing.
func TestTimesOfProducersDoNotMakeBatchesMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &audited{world: newWorld(t)}
		w.undated = true
		w.begin(arrives)
		for i := range lanes {
			w.log.Append(i, 0, time.Now().Add(5*time.Hour), string(made(1_000_100+i, 1)[0].Value))
		}
		pass(time.Minute)
		w.stop()
		w.add(3)
		w.run(w.c, audit.Options{Keep: 24 * time.Hour})
		pass(3 * time.Hour)
		synctest.Wait()
		if r := w.last.Load(); r.Sum.Words[audit.Waiting] != 3 || r.Sum.Words[audit.Incomplete] != 0 || time.Since(r.Reached) < 2*time.Hour || len(w.send.sent) != 3 {
			t.Errorf("while the job stands: %+v, read until %s, %d lines were sent", r.Sum, r.Reached, len(w.send.sent))
		}
		w.start()
		pass(15 * time.Minute)
		synctest.Wait()
		if r := w.last.Load(); !r.Complete() || r.Sum.Words[audit.Complete] != 3 {
			t.Errorf("when it runs: %+v", r)
		}
		w.close()
	})
}

// A clock that steps by hours for some minutes, ahead or back, makes nothing missing, late to be sent again, or forgotten.
func TestAStepOfTheStoresClockChangesNothing(t *testing.T) {
	for _, step := range []time.Duration{time.Hour, -time.Hour, 30 * time.Hour, -30 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			w := lossy(t, arrives)
			var off atomic.Int64
			c := w.c
			c.Batches = folder(t, &clockOf{w.store, func() (time.Time, error) { return time.Now().Add(time.Duration(off.Load())), nil }})
			w.add(3)
			pass(10 * time.Second)
			w.stop()
			pass(20 * time.Minute)
			w.add(2)
			w.run(c, audit.Options{Keep: 4 * time.Hour})
			pass(5 * time.Minute)
			off.Store(int64(step))
			pass(8 * time.Minute)
			synctest.Wait()
			r := w.last.Load()
			if r.Sum.Words[audit.Incomplete]+r.Sum.Words[audit.Expiring]+r.Sum.Words[audit.Expired] != 0 || step > 0 && (r.Sum.Words[audit.Complete] != 3 || r.Sum.Words[audit.Waiting] != 2) {
				t.Errorf("a step of %s: %+v, at %s", step, r.Sum, r.At)
			}
			off.Store(0)
			pass(5 * time.Minute)
			synctest.Wait()
			if r := w.last.Load(); r.Sum.Words[audit.Complete] != 3 || r.Sum.Words[audit.Waiting] != 2 || r.Sum.Words[audit.Expiring] != 0 {
				t.Errorf("after a step of %s: %+v", step, r.Sum)
			}
			w.start()
			w.close()
		})
	}
}

// Registrations that were deleted as the documentation says once left batches that nobody had registered.
func TestWhatHasExpiredIsNotUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pass(20 * time.Minute)
		w := lossy(t, arrives)
		const keep = 4 * time.Hour
		w.run(w.c, audit.Options{Keep: keep})
		seen := audit.Sum{Words: map[audit.Word]int64{}}
		for range 16 {
			w.add(2)
			pass(10 * time.Second)
			w.stop()
			pass(30 * time.Minute)
			if err := w.c.Registry.Expire(t.Context(), time.Now().Add(-keep)); err != nil {
				t.Fatal(err)
			}
			pass(3 * time.Minute)
			synctest.Wait()
			for word, n := range w.last.Load().Sum.Words {
				seen.Words[word] = max(seen.Words[word], n)
			}
			w.start()
		}
		if seen.Words[audit.Unknown]+seen.Words[audit.Abandoned] != 0 || seen.Words[audit.Complete] == 0 {
			t.Errorf("seen were %v", seen.Words)
		}
		w.close()
	})
}

// A batch that was slow, and that no attempt could send, was once said to be repaired, and to be late.
func TestABatchThatWasNeverSentAgainIsNotRepaired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := lossy(t, func(_ *audit.Line, try int) (int, error) {
			if try > 1 {
				return 0, errors.New("no broker answers")
			}
			return 0, nil
		})
		ids := w.add(1)
		w.run(w.c, audit.Options{Keep: 24 * time.Hour})
		pass(3 * time.Hour)
		synctest.Wait()
		r := w.last.Load()
		if r.Sum.Words[audit.Incomplete] != 1 || r.Sum.Words[audit.Repaired]+r.Sum.Words[audit.AfterClose] != 0 || r.Batches[0].Repairs < 2 {
			t.Errorf("while no attempt succeeds: %+v, %+v", r.Sum, r.Batches)
		}
		w.put(&audit.Line{Mark: audit.Mark{ID: ids[0], Line: 1}, Event: made(0, 1)[0]})
		pass(time.Hour)
		synctest.Wait()
		if r := w.last.Load(); r.Sum.Words[audit.Complete] != 1 || r.Sum.Words[audit.Repaired]+r.Sum.Words[audit.AfterClose] != 0 {
			t.Errorf("when it came by itself: %+v", r.Sum)
		}
		w.close()
	})
}

// A job must know lines again for as long as they may be sent again.
func TestAWindowThatIsShorterThanKeepIsRefused(t *testing.T) {
	c := (&world{t: t, store: sinktest.NewMemory()}).config()
	for _, o := range []audit.Options{{Window: 7 * 24 * time.Hour}, {Window: time.Hour}, {Window: -2}, {Keep: time.Hour, Deadline: time.Hour}, {Patience: -1}} {
		if err := audit.Run(t.Context(), c, audit.SenderFunc(nil), &o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, o := range []audit.Options{{Window: 7*24*time.Hour + 10*time.Minute}, {Window: -1}, {}} {
		if err := audit.Run(ctx, c, audit.SenderFunc(nil), &o); err != nil {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

var _ sink.Store = (*clockOf)(nil)
