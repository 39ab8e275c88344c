package audit_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/sink/audit"
	"github.com/onceflow/onceflow/sink/sinktest"
)

// Batches are lost whole, in part, and by an error in the middle; the job is stopped and started, and two auditors run. All
// that was accepted is in the output once, and nothing was sent again that had come.
func TestWhatIsLostIsSentAgainUntilAllHasCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		send := &losses{w: w, fate: func(l *audit.Line, try int) (int, error) {
			switch b := int(l.Mark.ID[15]) % 10; {
			case b < 2 && try <= 2: // twice all of it
				return 0, nil
			case b < 5 && l.Mark.Line%3 == 0 && try == 1:
				return 0, nil
			case b == 5 && l.Mark.Line == 4 && try == 1:
				return 0, errors.New("the connection broke") // and what follows is not sent
			}
			return 1, nil
		}}
		c := w.config()
		b, err := audit.OpenBatcher(t.Context(), c.Batches, c.Registry, send, &audit.BatcherOptions{Lines: 7})
		if err != nil {
			t.Fatal(err)
		}
		const batches = 60
		for i := range batches {
			if _, err := b.Add(t.Context(), made(i*7, 7)); err != nil {
				t.Fatal(err)
			}
			pass(3 * time.Second)
			if i%20 == 10 {
				w.stop()
				w.start()
			}
		}
		if err := b.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var auditors sync.WaitGroup
		var last [2]*audit.Report
		resent := [2]audit.Resent{}
		for i := range last {
			auditors.Go(func() {
				err := audit.Run(ctx, c, send, &audit.Options{Keep: 6 * time.Hour, Observe: func(r *audit.Report) {
					last[i] = r
					resent[i].Batches, resent[i].Lines, resent[i].Failed = resent[i].Batches+r.Resent.Batches, resent[i].Lines+r.Resent.Lines, resent[i].Failed+r.Resent.Failed
				}})
				if err != nil {
					t.Error(err)
				}
			})
		}
		pass(2 * time.Hour)
		cancel()
		auditors.Wait()
		for i, r := range last {
			if r == nil || !r.Complete() || r.Sum.Words[audit.Complete] != batches || r.Sum.Came != batches*7 {
				t.Errorf("auditor %d: in the end %+v", i, r)
			}
		}
		rows := w.rows()
		for id, n := range rows {
			if n != 1 {
				t.Errorf("event %s is in the output %d times", id, n)
			}
		}
		if len(rows) != batches*7 {
			t.Errorf("%d events are in the output, want %d", len(rows), batches*7)
		}
		tried := 0
		for _, n := range send.sent {
			tried += n
		}
		if tried-send.lost != batches*7 || send.lost == 0 {
			t.Errorf("%d lines were sent, of which %d were lost, want %d beside these", tried, send.lost, batches*7)
		}
		if got := resent[0].Batches + resent[1].Batches; got == 0 {
			t.Error("nothing was sent again")
		}
		w.stop()
	})
}

// A job that stands still has lost nothing: what it has not read is in its source.
func TestNothingIsSentAgainWhileTheJobStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		c := w.config()
		send := &losses{w: w, fate: func(*audit.Line, int) (int, error) { return 1, nil }}
		b, err := audit.OpenBatcher(t.Context(), c.Batches, c.Registry, send, &audit.BatcherOptions{Lines: 3})
		if err != nil {
			t.Fatal(err)
		}
		add := func(from int) {
			t.Helper()
			if _, err := b.Add(t.Context(), made(from, 3)); err != nil {
				t.Fatal(err)
			}
		}
		add(0)
		pass(time.Minute)
		w.stop()
		add(3)
		ctx, cancel := context.WithCancel(t.Context())
		var last *audit.Report
		ended := make(chan error)
		go func() {
			ended <- audit.Run(ctx, c, send, &audit.Options{Keep: 6 * time.Hour, Observe: func(r *audit.Report) { last = r }})
		}()
		pass(3 * time.Hour)
		synctest.Wait()
		if last.Sum.Words[audit.Waiting] != 1 || last.Sum.Words[audit.Complete] != 1 || last.Complete() {
			t.Errorf("while the job stands: %+v, want one batch that waits", last.Sum)
		}
		w.start()
		pass(time.Hour)
		synctest.Wait()
		if !last.Complete() || last.Sum.Words[audit.Complete] != 2 || last.Sum.Words[audit.Repaired] != 0 || len(send.sent) != 6 {
			t.Errorf("once it runs: %+v, %d lines were sent", last.Sum, len(send.sent))
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := b.Close(t.Context()); err != nil {
			t.Error(err)
		}
		w.stop()
	})
}

// An auditor that dies between its word that it sends a batch and the sending leaves the batch to the next attempt.
func TestABatchWhoseRepairerDiedIsSentByAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		c := w.config()
		send := &losses{w: w, fate: func(_ *audit.Line, try int) (int, error) {
			if try < 4 {
				return 0, errors.New("it is dead")
			}
			return 1, nil
		}}
		b, err := audit.OpenBatcher(t.Context(), c.Batches, c.Registry, send, &audit.BatcherOptions{Lines: 1})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Add(t.Context(), made(0, 1)); err != nil {
			t.Fatal(err)
		}
		w.log.Append(1, 0, time.Now(), "{}") // the job has begun
		var at []time.Duration
		begun := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		var last *audit.Report
		go func() {
			ended <- audit.Run(ctx, c, send, &audit.Options{Keep: 6 * time.Hour, Observe: func(r *audit.Report) {
				last = r
				if r.Resent != (audit.Resent{}) {
					at = append(at, time.Since(begun).Truncate(time.Minute))
				}
			}})
		}()
		pass(4 * time.Hour)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if len(at) != 3 || at[1]-at[0] < 10*time.Minute || at[2]-at[1] < 20*time.Minute {
			t.Errorf("it was sent again after %v, want three times with pauses that double", at)
		}
		if !last.Complete() || last.Sum.Words[audit.Repaired] != 1 {
			t.Errorf("in the end %+v", last.Sum)
		}
		if err := b.Close(t.Context()); err != nil {
			t.Error(err)
		}
		w.stop()
	})
}

// A repair whose hour is closed is late, and the report says so for as long as it knows the batch.
func TestARepairOfAClosedHourIsReportedAsSuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		c := w.config()
		send := &losses{w: w, fate: func(_ *audit.Line, try int) (int, error) { return min(try-1, 1), nil }}
		b, err := audit.OpenBatcher(t.Context(), c.Batches, c.Registry, send, &audit.BatcherOptions{Lines: 3})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Add(t.Context(), made(0, 3)); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		for i := range lanes {
			w.log.Append(i, 0, time.Now(), string(made(100+i, 1)[0].Value))
		}
		pass(3 * time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		var last *audit.Report
		late := int64(0)
		ended := make(chan error)
		go func() {
			ended <- audit.Run(ctx, c, send, &audit.Options{Keep: 24 * time.Hour, Observe: func(r *audit.Report) {
				last = r
				late += r.Resent.Late
			}})
		}()
		pass(time.Hour)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if want := []audit.Word{audit.Complete, audit.Repaired, audit.AfterClose}; len(last.Batches) != 1 || !slices.Equal(last.Batches[0].Words, want) || !last.Complete() || late != 1 {
			t.Errorf("in the end %+v, %d repairs were late, want a batch that is %v", last, late, want)
		}
		if got := w.rows(); len(got) != 3+lanes {
			t.Errorf("the output has %v", got)
		}
		if err := b.Close(t.Context()); err != nil {
			t.Error(err)
		}
		w.stop()
	})
}

// A source that is away costs few batches an attempt: with one for each of them the next attempts were hours away when it was back.
func TestASourceThatIsAwayCostsFewAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		c := w.config()
		var back atomic.Bool
		send := &losses{w: w, fate: func(*audit.Line, int) (int, error) {
			if !back.Load() {
				return 0, errors.New("no broker answers")
			}
			return 1, nil
		}}
		b, err := audit.OpenBatcher(t.Context(), c.Batches, c.Registry, send, &audit.BatcherOptions{Lines: 1})
		if err != nil {
			t.Fatal(err)
		}
		w.log.Append(0, 0, time.Now(), "{}")
		for i := range 200 {
			if _, err := b.Add(t.Context(), made(i, 1)); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		var last *audit.Report
		var failed, rounds atomic.Int64
		ended := make(chan error)
		go func() {
			ended <- audit.Run(ctx, c, send, &audit.Options{Keep: 24 * time.Hour, Observe: func(r *audit.Report) {
				last = r
				failed.Add(r.Resent.Failed)
				if r.Resent.Failed > 0 {
					rounds.Add(1)
				}
			}})
		}()
		pass(20 * time.Minute)
		synctest.Wait()
		if rounds.Load() == 0 || failed.Load() > rounds.Load()*7 { // three more may be under way when the fourth fails
			t.Errorf("in %d rounds %d attempts failed", rounds.Load(), failed.Load())
		}
		back.Store(true)
		pass(time.Hour)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if !last.Complete() || last.Sum.Words[audit.Complete] != 200 {
			t.Errorf("an hour after it was back: %+v", last.Sum)
		}
		if err := b.Close(t.Context()); err != nil {
			t.Error(err)
		}
		w.stop()
	})
}

// What is missing of a topic in which nothing comes any more was once sent again at the next full hour: until then the ledger did not
// say that the job had read all.
func TestWhatIsMissingOfAnIdleSourceIsSentAgainSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pass(time.Minute) // it is not near the next hour
		w := newWorld(t)
		w.start()
		c := w.config()
		send := &losses{w: w, fate: func(l *audit.Line, try int) (int, error) { return min(l.Mark.Line%2+try-1, 1), nil }}
		b, err := audit.OpenBatcher(t.Context(), c.Batches, c.Registry, send, &audit.BatcherOptions{Lines: 10})
		if err != nil {
			t.Fatal(err)
		}
		for i := range lanes {
			w.log.Append(i, 0, time.Now(), string(made(100+i, 1)[0].Value))
		}
		if _, err := b.Add(t.Context(), made(0, 10)); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var last *audit.Report
		ended := make(chan error)
		go func() {
			ended <- audit.Run(ctx, c, send, &audit.Options{Keep: 6 * time.Hour, Observe: func(r *audit.Report) { last = r }})
		}()
		pass(15 * time.Minute)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if !last.Complete() || last.Sum.Words[audit.Repaired] != 1 {
			t.Errorf("a quarter of an hour later: %+v, read until %s", last.Sum, last.Reached)
		}
		if err := b.Close(t.Context()); err != nil {
			t.Error(err)
		}
		w.stop()
	})
}

// Each mistake of others has an alarm of its own in the log, once when it begins, and stops neither the auditor nor the job.
func TestEachMistakeHasItsAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		c := w.config()
		send := &losses{w: w, fate: func(l *audit.Line, _ int) (int, error) { return 1, nil }}
		b, err := audit.OpenBatcher(t.Context(), c.Batches, c.Registry, send, &audit.BatcherOptions{Lines: 2})
		if err != nil {
			t.Fatal(err)
		}
		add := func(from int) audit.ID {
			t.Helper()
			r, err := b.Add(t.Context(), made(from, 2))
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			return r.ID
		}
		beyond := add(0)
		w.put(&audit.Line{Mark: audit.Mark{ID: beyond, Line: 3}, Event: made(1000, 1)[0]})
		twice := add(2)
		if err := c.Registry.Register(t.Context(), audit.Registration{ID: twice, Lines: 1, Oldest: time.Now()}); err != nil {
			t.Fatal(err)
		}
		if err := c.Registry.Register(t.Context(), audit.Registration{ID: audit.NewID(time.Now()), Lines: 1, Oldest: time.Now()}); err != nil { // whose object is gone
			t.Fatal(err)
		}
		hour := time.Now().Truncate(time.Hour)
		c.Registry = audit.NewObjects(folder(t, sinktest.NewFaulty(w.store, func(_ context.Context, call sinktest.Call) sinktest.Mode {
			if strings.Contains(call.Key, "registry/"+hour.Add(-time.Hour).Format("2006-01-02T15")) {
				return sinktest.Refuse
			}
			return sinktest.Pass
		})))
		var log bytes.Buffer
		ctx, cancel := context.WithCancel(t.Context())
		rounds := 0
		ended := make(chan error)
		go func() {
			ended <- audit.Run(ctx, c, send, &audit.Options{Keep: 6 * time.Hour, Logger: slog.New(slog.NewTextHandler(&log, nil)), Observe: func(*audit.Report) { rounds++ }})
		}()
		pass(40 * time.Minute)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		for _, want := range []string{"beyond", "twice", "gone", "away: registry"} {
			if n := strings.Count(log.String(), `msg="audit: `+want+`"`); n != 1 {
				t.Errorf("%d alarms of %q in %d rounds, want one:\n%s", n, want, rounds, log.String())
			}
		}
		if rounds < 10 {
			t.Errorf("%d rounds", rounds)
		}
		if err := b.Close(t.Context()); err != nil {
			t.Error(err)
		}
		w.stop() // and tells if the job has stopped
	})
}
