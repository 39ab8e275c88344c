package sim

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
	"github.com/onceflow/onceflow/stream/workers"
	"github.com/onceflow/onceflow/stream/workers/workerstest"
)

// tasks are the workers of a process, the last stage of its lanes. They answer at once, later, twice, after their time or their
// lane's, or never; they fail and panic. So records finish in any order.
type tasks struct {
	sched *scheduler
	check *checker
	calm  func() bool
	rng   *rand.Rand
	clock *workerstest.Scheduler
	stage *workers.Workers[*logRecord, *logRecord]
	at    time.Time // up to when they have worked
	asked []asked
}

// asked is an attempt that has no answer yet, or that is answered once more.
type asked struct {
	t   *task
	rec *logRecord
	r   workers.Reply[*logRecord]
}

// task is that of a sub-partition.
type task struct {
	all *tasks
	rec *logRecord // that was started and has not succeeded
}

var errMood = errors.New("in a bad mood")

func newTasks(e *engine) *tasks {
	t := &tasks{
		sched: e.sched, check: e.p.g.check, calm: func() bool { return e.p.g.calm }, at: e.sched.now,
		rng: rand.New(rand.NewPCG(e.p.rand.Uint64(), 5)),
	}
	t.clock = workerstest.NewScheduler(t.rng.Uint64())
	open := func(workers.Subpartition) (workers.Task[*logRecord, *logRecord], error) { return &task{all: t}, nil }
	t.stage = workers.New(open, workers.ByKey(3, func(r **logRecord) string { return (*r).String() }), &workers.Options{
		Scheduler: t.clock, InOrder: t.rng.IntN(4) == 0, Timeout: 10 * time.Second, Backoff: time.Second,
		Failed: func(error, int) workers.Verdict { return workers.Retry },
	})
	return t
}

func (t *task) Process(_ context.Context, e record.Event[*logRecord], r workers.Reply[*logRecord]) {
	if t.rec != nil && t.rec != e.Value {
		t.all.check.bad.add("a task begins %s before it has finished %s", e.Value, t.rec)
	}
	t.rec = e.Value
	a := asked{t, e.Value, r}
	switch c := t.all.rng.Float64(); {
	case c < 0.3 || t.all.calm():
		a.done()
	case c < 0.4:
		r.Fail(errMood)
	case c < 0.43:
		panic(errMood)
	default:
		t.all.asked = append(t.all.asked, a)
	}
}

func (a asked) done() {
	if a.t.rec == a.rec {
		a.t.rec = nil
	}
	a.r.Done(a.rec)
}

// slow is how many records wait for answers before one is sure to come.
const slow = 8

// work lets time pass for the tasks, and answers some of them.
func (t *tasks) work() {
	for range t.rng.IntN(4) {
		t.clock.Step()
	}
	for t.calm() && len(t.asked) > 0 || len(t.asked) > t.rng.IntN(slow) {
		i := t.rng.IntN(len(t.asked))
		a := t.asked[i]
		if t.calm() || t.rng.IntN(3) > 0 { // else it is answered again some time
			t.asked = append(t.asked[:i], t.asked[i+1:]...)
		}
		if !t.calm() && t.rng.IntN(5) == 0 {
			a.r.Fail(errMood)
		} else {
			a.done()
		}
	}
	if t.rng.IntN(2) == 0 || t.calm() {
		t.clock.Advance(t.sched.now.Sub(t.at))
		t.at = t.sched.now
	}
}

// hand gives events to the last stage.
func (l *laneWork) hand(ctx context.Context, events []record.Event[*logRecord]) error {
	if l.tasks == nil {
		l.emit(events)
		return nil
	}
	if err := l.tasks.Process(ctx, events, l.em); err != nil {
		return err
	}
	return l.emitTaken()
}

func (l *laneWork) emitTaken() error {
	events, err := l.take()
	if err != nil {
		return err
	}
	l.emit(events)
	return nil
}

// pull takes in what the tasks have finished, as the engine does before each commit and now and then.
func (l *laneWork) pull(ctx context.Context) error {
	p, ok := l.tasks.(stage.Puller[*logRecord])
	if !ok {
		return nil
	}
	if err := p.Pull(ctx, l.em); err != nil {
		return err
	}
	if err := l.emitTaken(); err != nil {
		return err
	}
	return l.settle(ctx)
}
