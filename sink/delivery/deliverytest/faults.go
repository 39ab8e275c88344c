package deliverytest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/onceflow/onceflow/sink/delivery"
)

// mode says how a call of a Target goes wrong.
type mode uint8

const (
	refuse        mode = iota // no effect, an error
	applyThenFail             // it takes effect, the reply is lost
	crash                     // no effect, and the process is dead
	applyThenCrash
	modes
)

func (m mode) String() string {
	return [...]string{"refused", "reply lost", "crash before", "crash after"}[m]
}

// errFault is what a call returns that goes wrong.
var errFault = errors.New("deliverytest: injected fault")

// faulty makes one call of a Target go wrong. It stands for one process, whose end is kill.
type faulty struct {
	delivery.Target
	kill context.CancelFunc
	at   int
	mode mode

	mu    sync.Mutex
	calls int
	dead  bool
}

// call makes a call, or not.
func (f *faulty) call(do func() error) error {
	f.mu.Lock()
	n, dead := f.calls, f.dead
	f.calls++
	f.mu.Unlock()
	if dead {
		return errFault
	}
	if n != f.at {
		return do()
	}
	var err error
	if f.mode == applyThenFail || f.mode == applyThenCrash {
		err = do()
	}
	if f.mode == crash || f.mode == applyThenCrash {
		f.mu.Lock()
		f.dead = true
		f.mu.Unlock()
		f.kill()
	}
	return errors.Join(errFault, err)
}

// reached reports whether the call was made that goes wrong.
func (f *faulty) reached() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls > f.at
}

func (f *faulty) Load(ctx context.Context, u *delivery.Unit) (res delivery.Result, err error) {
	err = f.call(func() (err error) {
		res, err = f.Target.Load(ctx, u)
		return err
	})
	if errors.Is(err, errFault) {
		err, res = errFault, delivery.Result{} // whatever it was, the caller does not get it
	}
	return res, err
}

// faultyKeeper is a faulty whose Target is a Keeper.
type faultyKeeper struct{ *faulty }

func (f faultyKeeper) State(ctx context.Context, name string) (state delivery.State, err error) {
	err = f.call(func() (err error) {
		state, err = f.Target.(delivery.Keeper).State(ctx, name)
		return err
	})
	return state, err
}

func (f faultyKeeper) Park(ctx context.Context, u *delivery.Unit, reason string) error {
	err := f.call(func() error { return f.Target.(delivery.Keeper).Park(ctx, u, reason) })
	if errors.Is(err, errFault) {
		err = errFault
	}
	return err
}

// Contract: whichever call of the Target is refused, loses its reply or kills the process, before or after its effect, a delivery
// that goes on leaves each row once. A unit that is refused is parked once, and is there once after it was taken up.
func aFaultAtEachCallLeavesEachRowOnce(s *suite) {
	for m := range modes {
		for at := 0; ; at++ {
			again := &suite{T: s.T, config: s.config, storage: s.config.Setup(s.T), job: NewJob(s.T, nil)}
			if !again.survives(at, m) || s.Failed() {
				break
			}
		}
	}
}

// survives runs a delivery with a fault, and reports whether the fault came.
func (s *suite) survives(at int, m mode) (reached bool) {
	s.Helper()
	s.job.Commit(Rows(1, 10)...)
	s.job.Commit(Rows(11, 12)...)
	if s.config.Refuses {
		s.job.Commit(append(Rows(101, 110), bad(111))...)
	}
	s.job.Commit(Rows(13, 20)...)
	var f *faulty
	for process := 0; ; process++ {
		if process == 20 {
			s.Fatalf("call %d %s: the delivery does not come to an end", at, m)
		}
		ctx, kill := context.WithCancel(Context(s.Context()))
		target := s.open()
		if f == nil {
			f = &faulty{Target: target, kill: kill, at: at, mode: m}
			target = f
			if _, ok := f.Target.(delivery.Keeper); ok {
				target = faultyKeeper{f}
			}
		}
		done, err := s.process(ctx, target)
		kill()
		if err != nil {
			s.Errorf("call %d %s: %v", at, m, err)
			return false
		}
		if done {
			break
		}
	}
	s.want(ids(1, 20)...)
	if s.Failed() {
		s.Logf("that was with call %d %s", at, m)
	}
	return f.reached()
}

// process runs a delivery as one process does, and reports whether it came to the end.
func (s *suite) process(ctx context.Context, target delivery.Target) (bool, error) {
	d, err := delivery.Open(ctx, s.job.Store, Name, "faults", target, &delivery.Options{Poll: -1, Logger: quiet})
	if err != nil {
		return false, ignore(err)
	}
	if err := d.Run(ctx); err != nil || killed(ctx) {
		return false, err
	}
	want := 0
	if s.config.Refuses {
		want = 1
	}
	if got := d.Status(); len(got.Parked) != want {
		return true, fmt.Errorf("%d units are parked, want %d: %+v", len(got.Parked), want, got.Parked)
	}
	return true, nil
}

func killed(ctx context.Context) bool { return ctx.Err() != nil }

// ignore takes a fault for what happens to processes that begin.
func ignore(err error) error {
	if errors.Is(err, errFault) || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// Contract: any number of processes that run a delivery at the same time leave each row once.
func manyProcessesLeaveEachRowOnce(s *suite) {
	for i := range int64(8) {
		s.job.Commit(Rows(10*i+1, 10*i+10)...)
	}
	const processes = 3
	m := meeting{all: make(chan struct{})}
	m.missing.Store(processes)
	won, errs := s.atOnce(processes, func(target delivery.Target) error {
		ctx := Context(s.Context())
		d, err := delivery.Open(ctx, s.job.Store, Name, "many", m.of(target), &delivery.Options{Poll: -1, Logger: quiet})
		if err != nil {
			return err
		}
		return d.Run(ctx)
	})
	if won != processes {
		s.Errorf("processes ended with %v", errs)
	}
	s.want(ids(1, 80)...)
}

// meeting lets no process load a unit before all of them are about to, so that all load the first one. Else the first to begin
// may have loaded everything before the others look.
type meeting struct {
	missing atomic.Int64
	all     chan struct{} // closed once nobody is missing
}

// of is the target of a process that comes to the meeting.
func (m *meeting) of(target delivery.Target) delivery.Target {
	comes := sync.OnceFunc(func() {
		if m.missing.Add(-1) == 0 {
			close(m.all)
		}
	})
	wait := func(ctx context.Context) {
		comes()
		select {
		case <-m.all:
		case <-ctx.Done():
		}
	}
	if k, ok := target.(delivery.Keeper); ok {
		return meetingKeeper{k, wait}
	}
	return meetingTarget{target, wait}
}

type meetingTarget struct {
	delivery.Target
	wait func(context.Context)
}

func (t meetingTarget) Load(ctx context.Context, u *delivery.Unit) (delivery.Result, error) {
	t.wait(ctx)
	return t.Target.Load(ctx, u)
}

type meetingKeeper struct {
	delivery.Keeper
	wait func(context.Context)
}

func (k meetingKeeper) Load(ctx context.Context, u *delivery.Unit) (delivery.Result, error) {
	k.wait(ctx)
	return k.Keeper.Load(ctx, u)
}
