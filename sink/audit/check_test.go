package audit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/sink/audit"
	"github.com/onceflow/onceflow/sink/sinktest"
)

// Each bad input has a word of its own, and none stops the job.
func TestEachBadInputHasItsWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		c := w.config()
		var fate func(l *audit.Line) bool // it arrives
		send := &losses{w: w, fate: func(l *audit.Line, _ int) (int, error) {
			if fate(l) {
				return 1, nil
			}
			return 0, nil
		}}
		b, err := audit.OpenBatcher(t.Context(), c.Batches, c.Registry, send, &audit.BatcherOptions{Lines: 4})
		if err != nil {
			t.Fatal(err)
		}
		next := 0
		batch := func(events []audit.Event, arrives func(*audit.Line) bool) audit.ID {
			t.Helper()
			fate = arrives
			r, err := b.Add(t.Context(), events)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			next += 4
			return r.ID
		}
		all := func(*audit.Line) bool { return true }
		object := func(id audit.ID) string {
			return "_audit/clicks/batches/" + id.Time().Format("2006-01-02T15") + "/" + id.String()
		}
		want := map[audit.ID][]audit.Word{}
		batch(made(next, 4), all)
		half := batch(made(next, 4), func(l *audit.Line) bool { return l.Mark.Line == 2 })
		want[half] = []audit.Word{audit.Incomplete, audit.Late}
		dead := made(next, 4)
		dead[2].Value = []byte("no json")
		want[batch(dead, all)] = []audit.Word{audit.Complete, audit.Dead}

		beyond := batch(made(next, 4), all)
		w.put(&audit.Line{Mark: audit.Mark{ID: beyond, Line: 9}, Event: made(1000, 1)[0]})
		want[beyond] = []audit.Word{audit.Complete, audit.Beyond}
		far := batch(made(next, 4), all)
		w.put(&audit.Line{Mark: audit.Mark{ID: far, Line: 1 << 30}, Event: made(1001, 1)[0]})
		want[far] = []audit.Word{audit.Complete, audit.Beyond}

		twice := batch(made(next, 4), all)
		if err := c.Registry.Register(t.Context(), audit.Registration{ID: twice, Lines: 5, Oldest: time.Now()}); err != nil {
			t.Fatal(err)
		}
		want[twice] = []audit.Word{audit.Incomplete, audit.Late, audit.Twice}

		gone := batch(made(next, 4), func(*audit.Line) bool { return false })
		w.store.Lose(object(gone))
		want[gone] = []audit.Word{audit.Incomplete, audit.Late, audit.Gone}

		unknown := audit.NewID(time.Now())
		w.put(&audit.Line{Mark: audit.Mark{ID: unknown, Line: 1}, Event: made(1002, 1)[0]})
		want[unknown] = []audit.Word{audit.Unknown}

		abandoned := audit.NewID(time.Now())
		if err := w.store.Create(t.Context(), object(abandoned), nil); err != nil {
			t.Fatal(err)
		}
		want[abandoned] = []audit.Word{audit.Abandoned}

		pass(3 * time.Hour)
		r := w.check()
		got := map[audit.ID][]audit.Word{}
		for _, f := range r.Batches {
			got[f.ID] = f.Words
			if f.ID == half && (!slices.Equal(f.Missing, []audit.Range{{First: 1, Last: 1}, {First: 3, Last: 4}}) || f.Came != 1) {
				t.Errorf("missing are %v, %d lines came", f.Missing, f.Came)
			}
		}
		for id, words := range want {
			if !slices.Equal(got[id], words) {
				t.Errorf("batch %s is %v, want %v", id, got[id], words)
			}
		}
		if len(got) != len(want) || r.Complete() || r.Sum.Words[audit.Complete] != 4 || r.Sum.Batches != 7 || r.Sum.Missing != 3+1+4 || r.Sum.Dead != 1 {
			t.Errorf("%d batches are told of, want %d; %+v", len(got), len(want), r.Sum)
		}
		if err := b.Close(t.Context()); err != nil {
			t.Error(err)
		}
		w.stop()
		w.shows(r, half)
	})
}

// shows checks the forms of a report.
func (w *world) shows(r *audit.Report, half audit.ID) {
	w.t.Helper()
	var table, metrics bytes.Buffer
	if err := errors.Join(r.WriteTable(&table), r.WriteMetrics(&metrics)); err != nil {
		w.t.Fatal(err)
	}
	for _, want := range []string{"7 of 29 lines", "abandoned   1\n", half.String(), "1,3-4", "incomplete late twice"} {
		if !strings.Contains(table.String(), want) {
			w.t.Errorf("the table has no %q:\n%s", want, table.String())
		}
	}
	for _, want := range []string{"onceflow_audit_batches{word=\"gone\"} 1\n", "onceflow_audit_lines_missing 8\n", "onceflow_audit_lines 29\n", "onceflow_audit_batches{word=\"damaged\"} 0\n", "onceflow_audit_seconds_left "} {
		if !strings.Contains(metrics.String(), want) {
			w.t.Errorf("the metrics have no %q:\n%s", want, metrics.String())
		}
	}
	if until := half.Time().Add(7 * 24 * time.Hour); r.Sum.Earliest.After(until) || r.Sum.Earliest.Before(until.Add(-time.Hour)) {
		w.t.Errorf("the first can be sent again until %s, want about %s", r.Sum.Earliest, until)
	}
	text, err := json.Marshal(r)
	var back audit.Report
	if err := errors.Join(err, json.Unmarshal(text, &back)); err != nil || len(back.Batches) != len(r.Batches) || back.Batches[0].ID != r.Batches[0].ID {
		w.t.Errorf("as JSON it is %s, %v", text, err)
	}
}

// A batch that cannot be sent again is told so, and does not stop the others.
func TestADamagedBatchIsToldAndOthersAreSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		c := w.config()
		send := &losses{w: w, fate: func(_ *audit.Line, try int) (int, error) { return min(try-1, 1), nil }}
		b, err := audit.OpenBatcher(t.Context(), c.Batches, c.Registry, send, &audit.BatcherOptions{Lines: 2})
		if err != nil {
			t.Fatal(err)
		}
		w.log.Append(0, 0, time.Now(), "{}")
		first, err := b.Add(t.Context(), made(0, 2))
		if err != nil {
			t.Fatal(err)
		}
		second, err := b.Add(t.Context(), made(2, 2))
		if err != nil {
			t.Fatal(err)
		}
		w.store.Overwrite("_audit/clicks/batches/"+first.ID.Time().Format("2006-01-02T15")+"/"+first.ID.String(), []byte("x"))
		ctx, cancel := context.WithCancel(t.Context())
		var last *audit.Report
		ended := make(chan error)
		go func() {
			ended <- audit.Run(ctx, c, send, &audit.Options{Keep: 24 * time.Hour, Observe: func(r *audit.Report) { last = r }})
		}()
		pass(time.Hour)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		words := map[audit.ID][]audit.Word{}
		for _, f := range last.Batches {
			words[f.ID] = f.Words
		}
		if want := []audit.Word{audit.Incomplete, audit.Damaged}; !slices.Equal(words[first.ID], want) || !slices.Equal(words[second.ID], []audit.Word{audit.Complete, audit.Repaired}) {
			t.Errorf("got %+v, want one that is damaged and one that was sent again", last.Batches)
		}
		if err := b.Close(t.Context()); err != nil {
			t.Error(err)
		}
		w.stop()
	})
}

// What is away costs the report its part, with a word for what it is, and nothing else.
func TestWhatIsAwayIsInTheReport(t *testing.T) {
	for what, hourly := range map[audit.Place]string{audit.InRegistry: "registry/2006-01-02T15", audit.InBatches: "batches/2006-01-02T15", audit.InNotes: "_notes/etl/audit/day=2006-01-02/hour=15"} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.start()
			c := w.config()
			hour := time.Now().Truncate(time.Hour)
			away := sinktest.NewFaulty(w.store, func(_ context.Context, call sinktest.Call) sinktest.Mode {
				if strings.Contains(call.Key, hour.Format(hourly)) {
					return sinktest.Refuse
				}
				return sinktest.Pass
			})
			c.Output, c.Batches = away, folder(t, away)
			c.Registry = audit.NewObjects(c.Batches)
			pass(time.Minute)
			r, err := audit.Check(t.Context(), c, hour.Add(-2*time.Hour), hour.Add(time.Hour), nil)
			if err != nil || len(r.Away) != 1 || r.Away[0].What != what || !r.Away[0].From.Equal(hour) || r.Complete() || !strings.Contains(r.Away[0].Error, "injected fault") {
				t.Errorf("%s: got %+v, %v, want the hour that cannot be read", what, r, err)
			}
			var metrics, table bytes.Buffer
			if err := errors.Join(r.WriteMetrics(&metrics), r.WriteTable(&table)); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(metrics.String(), fmt.Sprintf("onceflow_audit_away{what=%q} 1\n", what)) || strings.Count(metrics.String(), "onceflow_audit_away{") != 3 || !strings.Contains(table.String(), string(what)+" away from") {
				t.Errorf("%s: the metrics are\n%s\nthe table is\n%s", what, metrics.String(), table.String())
			}
			w.stop()
		})
	}
}

func TestAJobThatHasNotBegunHasLostNothing(t *testing.T) {
	c := (&world{t: t, store: sinktest.NewMemory()}).config()
	r, err := audit.Check(t.Context(), c, time.Now().Add(-time.Hour), time.Now(), nil)
	if err != nil || r.Why != "the job has not begun" || r.Sum.Batches != 0 {
		t.Errorf("got %+v, %v", r, err)
	}
	if _, err := audit.Check(t.Context(), audit.Config{}, time.Now(), time.Now(), nil); err == nil {
		t.Error("nothing is audited")
	}
	if err := audit.Run(t.Context(), c, nil, nil); err == nil {
		t.Error("nobody sends")
	}
	if _, err := audit.Check(t.Context(), c, time.Now(), time.Now(), &audit.Options{Keep: -1}); err == nil {
		t.Error("Keep is negative")
	}
}
