package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink/delivery"
	"github.com/onceflow/onceflow/sink/delivery/deliverytest"
	"github.com/onceflow/onceflow/sink/sinktest"
)

func TestEachTransactionIsLoadedOnceAlsoByTheNextProcess(t *testing.T) {
	job, target := deliverytest.NewJob(t, nil), &names{}
	commits(job, 7)
	run(t, open(t, job.Store, target, once))
	target.want(t, upTo(70)...)
	commits(job, 1) // rows 1 to 10 once more, in another transaction
	d := open(t, job.Store, target, once)
	run(t, d)
	target.want(t, append(upTo(70), upTo(10)...)...)
	if len(target.loads) != 8 {
		t.Errorf("%d loads, want 8: the second process begins at the cursor", len(target.loads))
	}
	if s := d.Status(); s.Units != 1 || s.Rows != 10 || s.Lag.Entries != 0 || s.Loading != 0 || s.Condition != delivery.Works || s.Cursor.IsZero() {
		t.Errorf("status %+v, want one unit with ten rows and no lag", s)
	}
}

// The cursor is a sequence of objects. Whichever call of the store fails or is the last one of a process, each row is there once.
func TestAFaultAtEachCallOfTheStoreLeavesEachRowOnce(t *testing.T) {
	job := deliverytest.NewJob(t, nil)
	commits(job, 3)
	job.Commit(deliverytest.Row{ID: 99})
	clean := job.Store.(*sinktest.Memory)
	for _, mode := range []sinktest.Mode{sinktest.Refuse, sinktest.ApplyThenFail, sinktest.ApplyThenExist, sinktest.ApplyLate, sinktest.Crash, sinktest.ApplyThenCrash} {
		step := 1
		if testing.Short() {
			step = 4
		}
		for k := 0; ; k += step {
			name := fmt.Sprintf("d-%s-%d", strings.ToLower(mode.String()), k)
			target := &names{}
			target.fail = func(u *delivery.Unit) error {
				if u.Rows() == 1 {
					return delivery.Refuse(errors.New("no"))
				}
				return nil
			}
			faulty := sinktest.FailAt(clean, k, mode)
			for process := range 2 {
				store := faulty
				if process > 0 {
					store = sinktest.NewFaulty(clean, nil)
				}
				ctx := deliverytest.Context(t.Context())
				d, err := delivery.Open(ctx, store, deliverytest.Name, name, target, &delivery.Options{Poll: -1, Parallel: 3, Logger: new(logged).logger()})
				if err == nil {
					err = d.Run(ctx)
				}
				if process > 0 && err != nil {
					t.Fatalf("%s at call %d, then process %d: %v", mode, k, process, err)
				}
				if process > 0 && len(d.Status().Parked) != 1 {
					t.Errorf("%s at call %d: parked %+v, want one unit", mode, k, d.Status().Parked)
				}
			}
			target.want(t, upTo(30)...)
			if t.Failed() {
				t.Fatalf("that was %s at call %d", mode, k)
			}
			if faulty.Calls() <= k {
				break
			}
		}
	}
}

func TestTheCursorNeverPassesAUnitThatIsNotLoaded(t *testing.T) {
	job := deliverytest.NewJob(t, nil)
	commits(job, 4)
	ctx, stop := context.WithCancel(deliverytest.Context(t.Context()))
	others := make(chan struct{}, 8)
	var first sync.Map
	var begun sync.Once
	target := delivery.Func(func(ctx context.Context, u *delivery.Unit) error {
		begun.Do(func() { first.Store(u.ID, true) }) // it is begun before the others
		if _, is := first.Load(u.ID); is {
			<-ctx.Done()
			return ctx.Err()
		}
		others <- struct{}{}
		return nil
	})
	// Only one at first, so that the first unit is known.
	d := open(t, job.Store, target, delivery.Options{Ordered: true, Poll: -1})
	done := make(chan error)
	go func() { done <- d.Run(ctx) }()
	waitFor(t, func() bool { return d.Status().Loading > 0 })
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	ctx, stop = context.WithCancel(deliverytest.Context(t.Context()))
	d = open(t, job.Store, target, delivery.Options{Parallel: 4, Poll: -1})
	go func() { done <- d.Run(ctx) }()
	for range 3 {
		<-others
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if c := open(t, job.Store, target, once).Status().Cursor; !c.IsZero() {
		t.Errorf("the cursor is %q though the first unit is not loaded", c)
	}
}

// waitFor waits until f holds.
func waitFor(t *testing.T, f func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("the test has ended")
		}
	}
}

func TestSealedHoursAreUnits(t *testing.T) {
	job, target := deliverytest.NewJob(t, nil), &names{}
	rows := deliverytest.Rows(1, 3)
	rows[1].At = deliverytest.Noon.Add(time.Hour)
	rows[2].At = deliverytest.Noon.Add(2 * time.Hour)
	job.Commit(rows...)
	job.Commit(deliverytest.Row{ID: 4, At: deliverytest.Noon.Add(2 * time.Hour)})
	hourly := delivery.Options{Hourly: true, Poll: -1}
	run(t, open(t, job.Store, target, hourly))
	target.want(t, 1, 2)
	job.Commit(deliverytest.Row{ID: 5, At: deliverytest.Noon}) // late
	job.Seal(deliverytest.Noon.Add(3 * time.Hour))
	d := open(t, job.Store, target, hourly)
	run(t, d)
	target.want(t, 1, 2, 3, 4)
	if len(target.loads) != 3 || !strings.HasSuffix(target.loads[2], "-h20250501T1400") {
		t.Errorf("units %q, want three, the last one of 14:00", target.loads)
	}
	if s := d.Status(); !s.Cursor.Hour.Equal(deliverytest.Noon.Add(2*time.Hour)) || s.Lag.Entries != -1 {
		t.Errorf("status %+v, want the cursor at 14:00", s)
	}

	late := &names{}
	from, err := delivery.Open(deliverytest.Context(t.Context()), job.Store, deliverytest.Name, "from", late,
		&delivery.Options{Hourly: true, Poll: -1, From: deliverytest.Noon.Add(2 * time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	run(t, from)
	late.want(t, 3, 4)
}

func TestTransactionsHaveLateRowsToo(t *testing.T) {
	job, target := deliverytest.NewJob(t, nil), &names{}
	job.Commit(deliverytest.Row{ID: 1, At: deliverytest.Noon.Add(2 * time.Hour)})
	job.Commit(deliverytest.Row{ID: 2, At: deliverytest.Noon}) // its hour is closed
	run(t, open(t, job.Store, target, once))
	target.want(t, 1, 2)
}

func TestOtherFlowsOnlyMoveTheCursor(t *testing.T) {
	job, target := deliverytest.NewJob(t, nil), &names{}
	commits(job, 300)
	o := once
	o.Flows = []string{"others"}
	d := open(t, job.Store, target, o)
	run(t, d)
	target.want(t)
	if s := d.Status(); s.Cursor.Entry < 250 || s.Units != 0 || s.Lag.Entries != 0 {
		t.Errorf("status %+v, want the cursor moved over most of the 300 transactions without a unit", s)
	}
}

func TestAfterLeavesTransactionsOut(t *testing.T) {
	job, target := deliverytest.NewJob(t, nil), &names{}
	commits(job, 2)
	all := &names{}
	first := open(t, job.Store, all, once)
	run(t, first)
	job.Commit(deliverytest.Rows(100, 101)...)
	after, err := delivery.Open(deliverytest.Context(t.Context()), job.Store, deliverytest.Name, "after", target,
		&delivery.Options{Poll: -1, After: first.Status().Cursor.Entry})
	if err != nil {
		t.Fatal(err)
	}
	run(t, after)
	target.want(t, 100, 101)
}

func TestARefusedUnitIsParkedAndTakenUpOnce(t *testing.T) {
	job, target := deliverytest.NewJob(t, nil), &names{}
	commits(job, 3)
	job.Commit(deliverytest.Row{ID: 31})
	mended := false
	target.fail = func(u *delivery.Unit) error {
		if u.Rows() == 1 && !mended {
			return delivery.Refuse(errors.New("too long"))
		}
		return nil
	}
	lines := &logged{}
	o := once
	o.Logger = lines.logger()
	d := open(t, job.Store, target, o)
	run(t, d)
	job.Commit(deliverytest.Rows(32, 40)...)
	d = open(t, job.Store, target, o)
	run(t, d)
	target.want(t, append(upTo(30), 32, 33, 34, 35, 36, 37, 38, 39, 40)...)
	parked := d.Status().Parked
	if len(parked) != 1 || !strings.Contains(parked[0].Reason, "too long") || parked[0].Attempts != 0 {
		t.Fatalf("parked %+v, want one unit with the reason", parked)
	}
	if n := len(lines.lines()); n != 1 {
		t.Errorf("%d lines, want one about the unit: %s", n, lines.lines())
	}
	unit := parked[0].Unit
	if _, err := d.TakeUp(t.Context(), "another"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("TakeUp of a unit that is not parked: got %v, want fs.ErrNotExist", err)
	}
	if _, err := d.TakeUp(t.Context(), unit); !errors.Is(err, delivery.ErrRefused) {
		t.Errorf("TakeUp before anything was mended: got %v, want ErrRefused", err)
	}
	if p := d.Status().Parked; len(p) != 1 || p[0].Attempts != 1 || p[0].Open {
		t.Errorf("parked %+v, want the unit with one attempt that is over", p)
	}
	mended = true
	if res, err := d.TakeUp(t.Context(), unit); err != nil || res.Rows != 1 {
		t.Errorf("TakeUp: got %+v, %v, want one row", res, err)
	}
	if _, err := d.TakeUp(t.Context(), unit); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("TakeUp of a unit that was taken up: got %v, want fs.ErrNotExist", err)
	}
	target.want(t, upTo(40)...)
	if p := open(t, job.Store, target, once).Status().Parked; len(p) != 0 {
		t.Errorf("parked %+v, want none", p)
	}
}

// A target that remembers what it has refused knows a unit by its ID and the attempt. An attempt whose outcome is unknown must
// have the same number again, or its rows could be there twice.
func TestAnAttemptOfUnknownOutcomeIsMadeAgainUnderItsNumber(t *testing.T) {
	job := deliverytest.NewJob(t, nil)
	commits(job, 1)
	var answer error
	var attempts []int
	target := delivery.Func(func(_ context.Context, u *delivery.Unit) error {
		attempts = append(attempts, u.Attempt)
		return answer
	})
	answer = delivery.Refuse(errors.New("no"))
	d := open(t, job.Store, target, once)
	run(t, d)
	unit := d.Status().Parked[0].Unit
	for _, answer = range []error{errAway, errAway, delivery.Refuse(errors.New("no")), errAway, nil} {
		_, _ = open(t, job.Store, target, once).TakeUp(t.Context(), unit)
	}
	if got := fmt.Sprint(attempts); got != "[0 1 1 1 2 2]" {
		t.Errorf("attempts %s, want [0 1 1 1 2 2]", got)
	}
}

func TestACursorThatDoesNotFitTheLedgerIsRefused(t *testing.T) {
	job := deliverytest.NewJob(t, nil)
	commits(job, 3)
	keeper := &cursorOnly{}
	run(t, open(t, job.Store, keeper, once))
	good := keeper.s.Cursor
	ahead, anew := good, good
	ahead.Entry += 1000
	anew.Ledger = "0123456789abcdef0123456789abcdef"
	hourly := once
	hourly.Hourly = true
	for name, c := range map[string]struct {
		cursor delivery.Cursor
		opts   delivery.Options
		prefix string
		says   string
	}{
		"ahead":       {ahead, once, "", "is ahead of the job's ledger, which ends with entry"},
		"anew":        {anew, once, "", "the job was begun anew, or this is another bucket"},
		"hours":       {good, hourly, "", "Transactions and hours have the same rows"},
		"other place": {good, once, "elsewhere/", `there is no job "job" below "elsewhere/"`},
	} {
		keeper.s.Cursor = c.cursor
		c.opts.Prefix = c.prefix
		_, err := tryOpen(t, job.Store, keeper, c.opts)
		var refused *delivery.LedgerError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want a LedgerError that says %q", name, err, c.says)
		}
	}
}

// cursorOnly is a Keeper that has nothing but a state.
type cursorOnly struct{ s delivery.State }

func (c *cursorOnly) State(context.Context, string) (delivery.State, error) { return c.s, nil }
func (c *cursorOnly) Park(context.Context, *delivery.Unit, string) error    { return nil }
func (c *cursorOnly) Load(_ context.Context, u *delivery.Unit) (delivery.Result, error) {
	c.s.Cursor = u.Cursor
	return delivery.Result{Rows: u.Rows()}, nil
}

func TestAJobThatHasNotBegunIsWaitedFor(t *testing.T) {
	job, store, target := deliverytest.NewJob(t, nil), &sinktest.Memory{}, &names{}
	if _, err := tryOpen(t, store, target, once); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without waiting: got %v, want fs.ErrNotExist", err)
	}
	_ = job
	d := open(t, store, target, delivery.Options{})
	ctx, stop := context.WithCancel(deliverytest.Context(t.Context()))
	done := make(chan error)
	go func() { done <- d.Run(ctx) }()
	late := deliverytest.NewJob(t, store)
	commits(late, 2)
	waitFor(t, func() bool { return d.Status().Rows == 20 })
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	target.want(t, upTo(20)...)
}

func TestWrongOptionsAreAllNamed(t *testing.T) {
	_, err := delivery.Open(t.Context(), &sinktest.Memory{}, "job", "A b", &names{}, &delivery.Options{Parallel: -1, From: time.Now()})
	for _, want := range []string{`"A b"`, "Parallel -1", "From is for hours"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to say %q", err, want)
		}
	}
}
