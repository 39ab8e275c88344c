package workers_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/streamtest"
	"github.com/onceflow/onceflow/stream/workers"
	"github.com/onceflow/onceflow/stream/workers/workerstest"
)

var t0 = time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC)

// call is an attempt that a desk has been given.
type call struct {
	id    workers.Subpartition
	ctx   context.Context
	value string
	reply workers.Reply[string]
}

// desk makes tasks whose attempts the test answers.
type desk struct {
	calls  []call
	opened []string
	closed []string
	refuse map[string]bool // values that are not accepted
	panics map[string]bool // values whose Process panics
}

func (d *desk) open(id workers.Subpartition) (workers.Task[string, string], error) {
	d.opened = append(d.opened, id.String())
	return &deskTask{d, id}, nil
}

type deskTask struct {
	d  *desk
	id workers.Subpartition
}

func (t *deskTask) Accept(e record.Event[string]) bool {
	if t.d.panics["accept "+e.Value] {
		panic("accept " + e.Value)
	}
	return !t.d.refuse[e.Value]
}

func (t *deskTask) Process(ctx context.Context, e record.Event[string], r workers.Reply[string]) {
	t.d.calls = append(t.d.calls, call{t.id, ctx, e.Value, r})
	if t.d.panics[e.Value] {
		panic("process " + e.Value)
	}
}

func (t *deskTask) Close() error {
	t.d.closed = append(t.d.closed, t.id.String())
	return nil
}

// started are the values of the attempts so far.
func (d *desk) started() string {
	var vs []string
	for _, c := range d.calls {
		vs = append(vs, c.value)
	}
	return strings.Join(vs, " ")
}

// done answers the newest attempt at a value.
func (d *desk) done(value string) {
	for _, c := range slices.Backward(d.calls) {
		if c.value == value {
			c.reply.Done(value)
			return
		}
	}
}

// rig is a lane whose values go to the sub-partition that their first byte names.
type rig struct {
	*streamtest.Lane[string, string]
	t    *testing.T
	s    *workerstest.Scheduler
	d    *desk
	w    *workers.Workers[string, string]
	pick func(*string) int
}

func newRig(t *testing.T, o *workers.Options) *rig {
	t.Helper()
	r := &rig{t: t, s: workerstest.NewScheduler(1), d: &desk{refuse: map[string]bool{}, panics: map[string]bool{}}}
	r.pick = func(v *string) int { return int((*v)[0] - 'a') }
	if o == nil {
		o = &workers.Options{}
	}
	o.Scheduler = r.s
	r.w = workers.New(r.d.open, workers.Partitioner[string]{Count: 4, Of: func(v *string) int { return r.pick(v) }}, o)
	r.Lane = streamtest.Open(t, r.w)
	return r
}

func (r *rig) feed(values ...string) {
	r.t.Helper()
	var in []record.Event[string]
	for _, v := range values {
		in = append(in, record.Event[string]{Value: v, Time: t0})
	}
	r.FeedAll(in)
	r.s.Run()
}

// want compares what was started so far.
func (r *rig) want(started string) {
	r.t.Helper()
	r.s.Run()
	if got := r.d.started(); got != started {
		r.t.Errorf("started %q, want %q", got, started)
	}
}

// pull runs everything and compares the rows that finished.
func (r *rig) pull(want ...string) {
	r.t.Helper()
	r.s.Run()
	if got := r.Pull(); !slices.Equal(got, want) {
		r.t.Errorf("got rows %q, want %q", got, want)
	}
}

// count compares a field of Status.
func (r *rig) count(what string, got func(workers.Status) int64, want int64) {
	r.t.Helper()
	if n := got(r.w.Status()); n != want {
		r.t.Errorf("Status counts %d %s, want %d", n, what, want)
	}
}

// of is the status of a sub-partition; the zero one if it has none.
func (r *rig) of(index int) (x workers.SubpartitionStatus) {
	for _, s := range r.w.Status().Subpartitions {
		if s.Subpartition.Index == index {
			return s
		}
	}
	return x
}

func TestARecordBeginsWhenTheOneBeforeItInItsSubpartitionIsFinished(t *testing.T) {
	r := newRig(t, nil)
	r.feed("a1", "a2", "b1", "a3", "b2")
	if got := r.d.started(); got != "a1 b1" && got != "b1 a1" {
		t.Fatalf("started %q, want a1 and b1", got)
	}
	n := len(r.d.calls)
	r.d.done("b1")
	r.s.Run()
	r.d.done("b2")
	r.d.done("a1")
	r.s.Run()
	r.d.done("a2")
	r.s.Run()
	r.d.done("a3")
	if got := r.d.started()[n*3:]; got != "b2 a2 a3" {
		t.Errorf("then started %q, want b2 a2 a3", got)
	}
	r.s.Run()
	if got := r.Pull(); len(got) != 5 || r.Pending() != 0 {
		t.Errorf("got %q and %d pending, want all", got, r.Pending())
	}
}

func TestMoreRecordsOfASubpartitionMayBeInFlight(t *testing.T) {
	r := newRig(t, &workers.Options{InFlight: 2})
	r.feed("a1", "a2", "a3")
	r.want("a1 a2")
	r.d.done("a2")
	r.want("a1 a2 a3")
	r.d.done("a3")
	r.d.done("a1")
	r.pull("a2", "a3", "a1")
}

func TestResultsComeInInputOrderByChoice(t *testing.T) {
	r := newRig(t, &workers.Options{InOrder: true})
	r.feed("a1", "b1", "c1")
	r.d.done("c1")
	r.d.done("b1")
	r.pull()
	if r.Pending() != 3 {
		t.Errorf("%d are pending, want 3: the first has no result", r.Pending())
	}
	r.d.done("a1")
	r.pull("a1", "b1", "c1")
	r.feed("b2", "a2")
	r.d.done("a2")
	r.pull()
	r.d.calls[3].reply.Fail(errors.New("no")) // b2 or a2: the failed one is tried again
	r.s.Advance(time.Minute)
	r.d.done("b2")
	r.d.done("a2")
	r.pull("b2", "a2")
}

func TestARecordWithoutResultsIsFiltered(t *testing.T) {
	r := newRig(t, nil)
	r.feed("a1", "b1")
	for _, c := range r.d.calls {
		if c.value == "a1" {
			c.reply.Done()
		} else {
			c.reply.Done("x", "y", "z")
		}
	}
	r.pull("x", "y", "z")
	if f := r.Fates(); f[record.Filtered] != 1 || f[record.Written] != 1 {
		t.Errorf("got fates %v, want one filtered and one written", f)
	}
}

// What an answer refers to may be used again by who gave it.
func TestAnAnswerIsCopied(t *testing.T) {
	r := newRig(t, nil)
	r.feed("a1")
	out := []string{"x", "y"}
	r.d.calls[0].reply.Done(out...)
	out[0] = "spoilt"
	r.pull("x", "y")
}

func TestAFailedRecordIsTriedAgainAndThoseBehindItWait(t *testing.T) {
	r := newRig(t, &workers.Options{Backoff: time.Second})
	r.feed("a1", "a2", "b1")
	n := len(r.d.calls)
	for _, c := range r.d.calls {
		if c.value == "a1" {
			c.reply.Fail(errors.New("away"))
		}
	}
	r.s.Advance(499 * time.Millisecond) // a pause is shortened by up to a half
	if len(r.d.calls) != n {
		t.Fatalf("started %q before the pause was over", r.d.started())
	}
	r.s.Advance(501 * time.Millisecond)
	if got := r.d.started()[n*3:]; got != "a1" {
		t.Fatalf("after the pause %q was started, want a1 again", got)
	}
	r.d.done("a1")
	r.s.Run()
	r.d.done("a2")
	r.pull("a1", "a2")
	r.count("failures", func(s workers.Status) int64 { return s.Failures }, 1)
}

func TestARecordThatFailsForGoodIsADeadLetterAndTheNextOneGoesOn(t *testing.T) {
	var told []string
	r := newRig(t, &workers.Options{Failed: func(err error, n int) workers.Verdict {
		told = append(told, fmt.Sprint(n, err))
		return workers.Retries(1, workers.DeadLetter)(err, n)
	}})
	r.feed("a1", "a2")
	r.d.calls[0].reply.Fail(errors.New("first"))
	r.s.Advance(time.Second)
	r.d.calls[1].reply.Fail(errors.New("second"))
	r.want("a1 a1 a2")
	r.d.done("a2")
	r.pull("a2")
	if got := r.Rejected(); len(got) != 1 || got[0].Error() != "second" {
		t.Errorf("dead letters %v, want the last error", got)
	}
	if want := []string{"1 first", "2 second"}; !slices.Equal(told, want) {
		t.Errorf("Failed was told %q, want %q", told, want)
	}
}

func TestATaskThatRefusesHoldsUpItsOwnSubpartitionAndIsReported(t *testing.T) {
	var lines strings.Builder
	r := newRig(t, &workers.Options{Logger: logTo(&lines)})
	r.d.refuse["a1"] = true
	r.feed("a1", "a2", "b1")
	r.want("b1")
	r.s.Advance(2 * time.Minute)
	r.want("b1")
	if x := r.of(0); x.Subpartition.String() != "test/0/0" || x.Refused != 2*time.Minute || x.Oldest != 2*time.Minute || x.Depth != 2 || x.Started != 0 {
		t.Errorf("got %+v, want the name of the sub-partition and its age", x)
	}
	if got := strings.Count(lines.String(), "refuses"); got != 1 || !strings.Contains(lines.String(), "test/0/0") {
		t.Errorf("the log says %q, want one line with the name", lines.String())
	}
	r.d.refuse["a1"] = false
	r.s.Advance(time.Second)
	r.want("b1 a1")
	if x := r.of(0); x.Refused != 0 {
		t.Errorf("it is refused for %v though it was started", x.Refused)
	}
}

func TestAPausedSubpartitionStartsNothingAndItsSiblingsGoOn(t *testing.T) {
	r := newRig(t, nil)
	a := workers.Subpartition{Lane: "test/0", Index: 0}
	r.w.Pause(a)
	r.feed("a1", "b1")
	r.want("b1")
	if !r.of(0).Paused {
		t.Error("Status does not say that it is paused")
	}
	r.d.done("b1")
	r.pull("b1")
	r.Crash() // the pause outlasts the lane
	r.s.Advance(time.Hour)
	r.want("b1")
	r.w.Resume(a)
	r.want("b1 a1")
	r.d.calls[1].reply.Fail(errors.New("away"))
	r.w.Pause(a)
	r.s.Advance(time.Hour)
	r.want("b1 a1") // no further attempt either
	r.w.Resume(a)
	r.want("b1 a1 a1")
	r.d.done("a1")
	r.pull("a1")
}

func TestALaneIsFullOnlyWhenItsSubpartitionsAreTogether(t *testing.T) {
	r := newRig(t, &workers.Options{Queue: 1000}) // of 4 sub-partitions; a record counts 64
	full := fullOf(t, r)
	for i := range 62 {
		r.feed(fmt.Sprintf("a%d", i))
	}
	if full() {
		t.Error("the lane is full at 62 records of 64 bytes, want at more than 4,000 bytes")
	}
	r.feed("b1")
	if !full() {
		t.Error("the lane is not full at 63 records of 64 bytes")
	}
	for i := range 15 {
		r.d.done(fmt.Sprintf("a%d", i))
		r.s.Run()
		r.Pull()
	}
	if !full() {
		t.Error("the lane is not full any more at 48 records, want at 3,000 bytes")
	}
	r.d.done("a15")
	r.d.done("b1")
	r.s.Run()
	r.Pull()
	if full() {
		t.Error("the lane is still full at 46 records")
	}
}

func TestAPendingRecordComesBackAloneAndKeepsItsPlace(t *testing.T) {
	r := newRig(t, nil)
	r.feed("a1", "a2", "b1", "b2")
	r.d.done("b1")
	r.s.Run()
	r.d.done("b2")
	r.pull("b1", "b2")
	r.Crash()
	r.feed("a3")
	n := len(r.d.calls)
	for _, v := range []string{"a1", "a2", "a3"} {
		r.d.done(v)
		r.s.Run()
	}
	r.pull("a1", "a2", "a3")
	if got := r.d.started()[(n-1)*3:]; got != "a1 a2 a3" {
		t.Errorf("after the crash %q was started, want a1 a2 a3", got)
	}
}

func TestWrongOptionsAreToldAtOnce(t *testing.T) {
	w := workers.New[string, string](nil, workers.Partitioner[string]{}, &workers.Options{Parallel: -1, Timeout: -2})
	err := w.Traits().Err
	for _, want := range []string{"Parallel", "Timeout", "Count", "makes tasks"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, err := w.Open(nil); err == nil {
		t.Error("Open succeeds")
	}
}
