package workers_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
	"github.com/onceflow/onceflow/stream/streamtest"
	"github.com/onceflow/onceflow/stream/workers"
)

func logTo(b *strings.Builder) *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }

// fullOf opens another lane of the rig's stage, as an engine does, and moves the rig to it.
func fullOf(t *testing.T, r *rig) func() bool {
	t.Helper()
	spy := &spying{Workers: r.w}
	r.Lane = streamtest.Open[string, string](t, spy)
	return func() bool { return spy.proc.(stage.Fuller).Full() }
}

// spying shows a test the processor.
type spying struct {
	*workers.Workers[string, string]
	proc stage.Processor[string, string]
}

func (s *spying) Open(l *stage.Lane) (stage.Processor[string, string], error) {
	var err error
	s.proc, err = s.Workers.Open(l)
	return s.proc, err
}

func TestAPartitionerOutOfRangeCostsItsRecordOnly(t *testing.T) {
	r := newRig(t, nil)
	r.pick = func(v *string) int {
		switch *v {
		case "below":
			return -1
		case "above":
			return 4
		case "panic":
			panic("partitioner")
		}
		return 0
	}
	r.feed("below", "good", "above", "panic", "fine")
	r.d.done("good")
	r.s.Run()
	r.d.done("fine")
	r.pull("good", "fine")
	if got := r.Rejected(); len(got) != 3 {
		t.Errorf("%d dead letters, want 3: %v", len(got), got)
	}
	r.count("indexes out of range", func(s workers.Status) int64 { return s.OutOfRange }, 2)
}

func TestAPartitionerThatDiffersOnReplayDoesNoHarmAndIsCounted(t *testing.T) {
	r := newRig(t, nil)
	r.feed("a1", "a2", "b1")
	r.pick = func(v *string) int { // a different Count, say
		if *v == "b1" {
			return 1
		}
		return 3
	}
	r.Crash()
	n := len(r.d.calls)
	for _, v := range []string{"a1", "a2", "b1"} {
		r.d.done(v)
		r.s.Run()
		r.d.done(v)
		r.s.Run()
	}
	rows := r.Pull()
	if len(rows) != 3 || r.Pending() != 0 {
		t.Errorf("got rows %q, want each once", rows)
	}
	if len(r.d.calls) < n {
		t.Error("nothing was started again")
	}
	r.count("records that moved", func(s workers.Status) int64 { return s.Moved }, 2)
	r.feed("a3")
	r.count("records that moved", func(s workers.Status) int64 { return s.Moved }, 2)
}

func TestATaskThatPanicsIsReplacedAndItsRecordTriedAgain(t *testing.T) {
	r := newRig(t, &workers.Options{Failed: workers.Retries(1, workers.DeadLetter)})
	r.d.panics["a1"] = true
	r.feed("a1", "a2", "b1")
	r.s.Advance(time.Second)
	r.d.done("a2")
	r.s.Run()
	r.d.done("b1")
	r.s.Run()
	r.Pull()
	var caught *record.PanicError
	if got := r.Rejected(); len(got) != 1 || !errors.As(got[0], &caught) || caught.Value != "process a1" {
		t.Errorf("dead letters %v, want the panic", got)
	}
	if len(r.Out) != 2 {
		t.Errorf("rows %q, want a2 and b1", r.Out)
	}
	opened := strings.Count(strings.Join(r.d.opened, " "), "test/0/0")
	if closed := len(r.d.closed); opened != 3 || closed != 2 {
		t.Errorf("%d tasks of the sub-partition were opened and %d closed, want 3 and 2", opened, closed)
	}
	r.count("panics", func(s workers.Status) int64 { return s.Panics }, 2)
}

func TestAPanicOfAcceptCountsAsAFailedAttempt(t *testing.T) {
	r := newRig(t, &workers.Options{Failed: workers.Retries(0, workers.DeadLetter)})
	r.d.panics["accept a1"] = true
	r.feed("a1", "a2")
	r.want("a2")
	r.Pull()
	if got := r.Rejected(); len(got) != 1 {
		t.Errorf("dead letters %v, want one", got)
	}
}

func TestATaskThatNeverAnswersTimesOutAndItsLateAnswerIsIgnored(t *testing.T) {
	r := newRig(t, &workers.Options{Timeout: time.Minute, Failed: workers.Retries(1, workers.DeadLetter)})
	r.feed("a1", "a2", "b1")
	r.s.Advance(59 * time.Second)
	first := r.d.calls[0]
	if first.value == "b1" {
		first = r.d.calls[1]
	}
	if first.ctx.Err() != nil {
		t.Fatal("the context has ended too early")
	}
	r.d.done("b1")
	r.s.Advance(time.Second)
	if !errors.Is(context.Cause(first.ctx), workers.ErrTimeout) {
		t.Errorf("the context's cause is %v, want ErrTimeout", context.Cause(first.ctx))
	}
	first.reply.Done("too late")
	r.s.Advance(time.Second)
	r.s.Advance(time.Minute)
	r.pull("b1")
	if got := r.Rejected(); len(got) != 1 || !errors.Is(got[0], workers.ErrTimeout) {
		t.Errorf("dead letters %v, want ErrTimeout", got)
	}
	first.reply.Done("far too late")
	r.d.done("a1")
	r.d.done("a2")
	r.pull("a2")
	r.count("timeouts", func(s workers.Status) int64 { return s.Timeouts }, 2)
	r.count("late answers", func(s workers.Status) int64 { return s.AnsweredLate }, 2)
	r.count("repeated answers", func(s workers.Status) int64 { return s.AnsweredAgain }, 1) // to an attempt before the last
}

func TestATaskThatAnswersTwiceIsCounted(t *testing.T) {
	r := newRig(t, nil)
	r.feed("a1", "a2")
	c := r.d.calls[0]
	c.reply.Done("first")
	c.reply.Done("second")
	c.reply.Fail(errors.New("third"))
	r.s.Run()
	c.reply.Done("fourth") // a2 has its attempt by now
	r.pull("first")
	r.d.done("a2")
	r.pull("a2")
	r.count("repeated answers", func(s workers.Status) int64 { return s.AnsweredAgain }, 3)
}

// The attempt is used again for the record behind it.
func TestAnAnswerToAnEarlierAttemptCountsForNothing(t *testing.T) {
	r := newRig(t, nil)
	r.feed("a1", "a2")
	r.d.done("a1")
	r.want("a1 a2")
	r.d.calls[0].reply.Done("of a1, again")
	r.d.calls[0].reply.Fail(errors.New("of a1"))
	r.pull("a1")
	r.d.done("a2")
	r.pull("a2")
}

func TestAnAnswerAfterCloseIsIgnoredAndCounted(t *testing.T) {
	r := newRig(t, nil)
	r.feed("a1")
	c := r.d.calls[0]
	r.Crash()
	if c.ctx.Err() == nil {
		t.Error("the context goes on though the lane is closed")
	}
	if len(r.d.closed) != 1 {
		t.Errorf("closed %q, want the task", r.d.closed)
	}
	c.reply.Done("zombie")
	r.pull()
	r.count("answers after close", func(s workers.Status) int64 { return s.AnsweredAfterClose }, 1)
	r.d.done("a1")
	r.pull("a1")
}

func TestANilErrorIsAFailureToo(t *testing.T) {
	r := newRig(t, &workers.Options{Failed: workers.Retries(0, workers.DeadLetter)})
	r.feed("a1")
	r.d.calls[0].reply.Fail(nil)
	r.pull()
	if got := r.Rejected(); len(got) != 1 {
		t.Errorf("dead letters %v, want one", got)
	}
}

// stops runs one record through the stage and returns the error that would stop the job.
func stops(t *testing.T, r *rig) error {
	t.Helper()
	out := stage.NewEmitter[string](nil)
	p, err := r.w.Open(&stage.Lane{Name: "x", Now: time.Now, Wake: func() {}})
	if err != nil {
		t.Fatal(err)
	}
	in := []record.Event[string]{{Value: "a1", Time: t0, Origin: record.NewOrigin(1)}}
	if err := p.Process(t.Context(), in, out); err != nil {
		t.Fatal(err)
	}
	r.s.Advance(time.Second)
	if len(r.d.calls) > 0 {
		r.d.calls[0].reply.Fail(errors.New("no"))
	}
	return p.(stage.Puller[string]).Pull(t.Context(), out)
}

func TestWhatStopsTheJobSaysWhere(t *testing.T) {
	broken := errors.New("broken")
	for name, f := range map[string]func(*rig) *rig{
		"Failed says Stop": func(*rig) *rig {
			return newRig(t, &workers.Options{Failed: workers.Retries(0, workers.Stop)})
		},
		"Failed panics": func(*rig) *rig {
			return newRig(t, &workers.Options{Failed: func(error, int) workers.Verdict { panic("policy") }})
		},
		"no task can be opened": func(r *rig) *rig {
			open := func(workers.Subpartition) (workers.Task[string, string], error) { return nil, broken }
			r.w = workers.New(open, workers.RoundRobin[string](1), &workers.Options{Scheduler: r.s})
			return r
		},
		"open gives none": func(r *rig) *rig {
			open := func(workers.Subpartition) (workers.Task[string, string], error) { return nil, nil }
			r.w = workers.New(open, workers.RoundRobin[string](1), &workers.Options{Scheduler: r.s})
			return r
		},
		"Punctuate panics": func(r *rig) *rig {
			open := func(workers.Subpartition) (workers.Task[string, string], error) { return ticking{}, nil }
			r.w = workers.New(open, workers.RoundRobin[string](1), &workers.Options{Scheduler: r.s})
			return r
		},
	} {
		err := stops(t, f(newRig(t, nil)))
		var e *workers.Error
		if !errors.As(err, &e) || e.Subpartition.String() != "x/0" || !strings.Contains(err.Error(), "x/0") {
			t.Errorf("%s: got %v, want an *Error that names x/0", name, err)
		}
	}
}

type ticking struct{}

func (ticking) Process(context.Context, record.Event[string], workers.Reply[string]) {}
func (ticking) Punctuate(context.Context, time.Time)                                 { panic("tick") }
