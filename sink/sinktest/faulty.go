package sinktest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/onceflow/onceflow/sink"
	storage "github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/stream/driver"
)

// Op names a method of a Store or of an Upload.
type Op string

const (
	OpCreate    Op = "create"
	OpRead      Op = "read"
	OpReadRange Op = "read range"
	OpDelete    Op = "delete"
	OpOpen      Op = "open"
	OpList      Op = "list"
	OpNow       Op = "now"
	OpStage     Op = "stage"
	OpWrite     Op = "write"
	OpClose     Op = "close"
	OpAbort     Op = "abort"
	OpPublish   Op = "publish"
	OpStaged    Op = "staged"
	OpDiscard   Op = "discard"
)

// Call is a call of a Store that is about to be made, or was.
type Call struct {
	N   int // 0 is the first call of this Faulty
	Op  Op
	Key string // the prefix for OpList; empty for OpNow, OpStaged, and OpPublish if the Store has no RefKey method
}

// Mode says how a call goes wrong.
type Mode uint8

const (
	Pass          Mode = iota // it does not
	Refuse                    // no effect, an error
	ApplyThenFail             // it takes effect, the reply is lost; a listing breaks off in the middle
	// ApplyThenExist is what a client that retries by itself makes of a lost reply: a Create took effect and yet reports
	// fs.ErrExist. For other calls it is ApplyThenFail.
	ApplyThenExist
	ApplyLate      // an error now; it takes effect after a later call, see Faulty.Delay; a call that only reads is refused
	Crash          // no effect; this and all later calls fail with ErrCrashed until Revive
	ApplyThenCrash // it takes effect, then as Crash
)

// String returns the name of m.
func (m Mode) String() string {
	names := []string{"Pass", "Refuse", "ApplyThenFail", "ApplyThenExist", "ApplyLate", "Crash", "ApplyThenCrash"}
	if int(m) < len(names) {
		return names[m]
	}
	return fmt.Sprintf("Mode(%d)", uint8(m))
}

var (
	// ErrFault is what a call returns that was made to fail. Whether it took effect is not to be seen from it.
	ErrFault = errors.New("sinktest: injected fault")

	// ErrCrashed is what every call returns after a crash: to the program it is as if it were dead. It matches
	// driver.ErrPermanent and driver.ErrStop, so that what is left of the program gives up at once.
	ErrCrashed = fmt.Errorf("sinktest: crashed: %w: %w", storage.ErrPermanent, driver.ErrStop)
)

// Faulty passes calls on to a Store and fails those that Before chooses. It stands for one process. It is safe for
// concurrent use if Before and After are; set its exported fields before the first call.
type Faulty struct {
	// Before is called before each call and chooses what becomes of it. It may block, which delays the call, and may use
	// the wrapped Store. nil passes all.
	Before func(context.Context, Call) Mode

	// After is called after each call with what it returns. For a listing that is after the last object.
	After func(Call, error)

	// Delay is after how many later calls an ApplyLate takes effect. -1 leaves that to Land.
	//
	// Defaults to 1.
	Delay int

	store   sink.Store
	mu      sync.Mutex
	calls   int
	crashed bool
	late    []late
}

// late is a call that is still on its way.
type late struct {
	call  Call
	due   int // takes effect after the call of this number
	apply func()
}

// NewFaulty wraps store; before may be nil.
func NewFaulty(store sink.Store, before func(context.Context, Call) Mode) *Faulty {
	return &Faulty{store: store, Before: before}
}

// FailAt wraps store such that call k, counted from 0, fails. Calls tells whether the run got that far.
func FailAt(store sink.Store, k int, mode Mode) *Faulty {
	return NewFaulty(store, func(_ context.Context, c Call) Mode {
		if c.N == k {
			return mode
		}
		return Pass
	})
}

// Calls is the number of calls so far, those after a crash included.
func (f *Faulty) Calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

// Crash makes all further calls fail, as Mode Crash does.
func (f *Faulty) Crash() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.crashed = true
}

// Crashed tells whether a crash happened and Revive was not called since.
func (f *Faulty) Crashed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.crashed
}

// Revive ends a crash: the process was started again. Calls that are late stay on their way.
func (f *Faulty) Revive() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.crashed = false
}

// Late lists the calls that are still on their way.
func (f *Faulty) Late() []Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := make([]Call, len(f.late))
	for i, l := range f.late {
		calls[i] = l.call
	}
	return calls
}

// Land makes the i-th late call take effect now; -1 all, in their order.
func (f *Faulty) Land(i int) {
	f.mu.Lock()
	landing := f.late
	if i >= 0 {
		landing = []late{f.late[i]}
		f.late = append(f.late[:i:i], f.late[i+1:]...)
	} else {
		f.late = nil
	}
	f.mu.Unlock()
	for _, l := range landing {
		l.apply()
	}
}

// landDue makes the calls take effect whose delay is over after call n.
func (f *Faulty) landDue(n int) {
	f.mu.Lock()
	var due, rest []late
	for _, l := range f.late {
		if l.due <= n {
			due = append(due, l)
		} else {
			rest = append(rest, l)
		}
	}
	f.late = rest
	f.mu.Unlock()
	for _, l := range due {
		l.apply()
	}
}

// do makes one call that has an effect, or that only reads if reads is set.
func (f *Faulty) do(ctx context.Context, op Op, key string, reads bool, apply func(context.Context) error) error {
	c, mode := f.begin(ctx, op, key)
	err := f.run(ctx, c, mode, reads, apply)
	f.end(c, err)
	return err
}

func (f *Faulty) begin(ctx context.Context, op Op, key string) (Call, Mode) {
	f.mu.Lock()
	c := Call{N: f.calls, Op: op, Key: key}
	f.calls++
	crashed := f.crashed
	f.mu.Unlock()
	mode := Pass
	if !crashed && f.Before != nil {
		mode = f.Before(ctx, c)
	}
	if f.Crashed() { // by then or while Before blocked
		mode = Crash
	}
	return c, mode
}

func (f *Faulty) end(c Call, err error) {
	if f.After != nil {
		f.After(c, err)
	}
	f.landDue(c.N)
}

func (f *Faulty) run(ctx context.Context, c Call, mode Mode, reads bool, apply func(context.Context) error) error {
	fault := fmt.Errorf("%s %s (call %d): %w", c.Op, c.Key, c.N, ErrFault)
	switch mode {
	case Pass:
		return apply(ctx)
	case ApplyThenFail, ApplyThenExist:
		err := apply(ctx)
		if mode == ApplyThenExist && c.Op == OpCreate && err == nil {
			return &fs.PathError{Op: string(c.Op), Path: c.Key, Err: fs.ErrExist}
		}
	case ApplyLate:
		if !reads {
			f.postpone(c, func() { _ = apply(context.WithoutCancel(ctx)) }) // nobody is there to be told
		}
	case Crash:
		f.Crash()
		return fmt.Errorf("%s %s (call %d): %w", c.Op, c.Key, c.N, ErrCrashed)
	case ApplyThenCrash:
		_ = apply(ctx)
		f.Crash()
		return fmt.Errorf("%s %s (call %d): %w", c.Op, c.Key, c.N, ErrCrashed)
	case Refuse:
	}
	return fault
}

func (f *Faulty) postpone(c Call, apply func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	due := c.N + 1
	switch {
	case f.Delay > 0:
		due = c.N + f.Delay
	case f.Delay < 0:
		due = int(^uint(0) >> 1)
	}
	f.late = append(f.late, late{c, due, apply})
}
