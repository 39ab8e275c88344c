package sinktest_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"testing"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/sinktest"
)

// Each mode of failing, for the first call of a process: what the caller is told, and what came to be.
func TestModesTellAndDoWhatTheySay(t *testing.T) {
	for _, c := range []struct {
		mode  sinktest.Mode
		tells error
		does  bool // at once
		later bool // after another call
	}{
		{sinktest.Pass, nil, true, true},
		{sinktest.Refuse, sinktest.ErrFault, false, false},
		{sinktest.ApplyThenFail, sinktest.ErrFault, true, true},
		{sinktest.ApplyThenExist, fs.ErrExist, true, true},
		{sinktest.ApplyLate, sinktest.ErrFault, false, true},
		{sinktest.Crash, sinktest.ErrCrashed, false, false},
		{sinktest.ApplyThenCrash, sinktest.ErrCrashed, true, true},
	} {
		t.Run(c.mode.String(), func(t *testing.T) {
			mem := sinktest.NewMemory()
			f := sinktest.FailAt(mem, 0, c.mode)
			if err := f.Create(t.Context(), "k", []byte("v")); !errors.Is(err, c.tells) {
				t.Errorf("tells %v, want %v", err, c.tells)
			}
			if got := len(keys(t, mem)) == 1; got != c.does {
				t.Errorf("there at once: %v, want %v", got, c.does)
			}
			_, _ = f.Now(t.Context())
			if got := len(keys(t, mem)) == 1; got != c.later {
				t.Errorf("there later: %v, want %v", got, c.later)
			}
			if f.Calls() != 2 {
				t.Errorf("calls: got %d, want 2", f.Calls())
			}
		})
	}
}

func TestCrashLastsUntilRevive(t *testing.T) {
	mem := sinktest.NewMemory()
	f := sinktest.FailAt(mem, 1, sinktest.Crash)
	up, err := f.Stage(t.Context(), "k", "o", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := up.Write([]byte("x")); !errors.Is(err, sinktest.ErrCrashed) {
		t.Errorf("Write: got %v, want ErrCrashed", err)
	}
	if err := up.Abort(t.Context()); !errors.Is(err, sinktest.ErrCrashed) {
		t.Errorf("Abort: got %v, want ErrCrashed", err)
	}
	f.Revive()
	if n := len(staging(t, f)); n != 1 {
		t.Errorf("staged files after the crash: got %d, want 1", n)
	}
}

// A request that the network holds back takes effect when it arrives, also after its sender has died.
func TestLandAppliesALateCall(t *testing.T) {
	mem := sinktest.NewMemory()
	f := sinktest.NewFaulty(mem, func(_ context.Context, c sinktest.Call) sinktest.Mode {
		if c.Op == sinktest.OpPublish && c.Key == "k" {
			return sinktest.ApplyLate
		}
		return sinktest.Pass
	})
	f.Delay = -1
	up, err := f.Stage(t.Context(), "k", "o", 0)
	if err != nil {
		t.Fatal(err)
	}
	write(t, up, "body")
	ref, err := up.Close(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Publish(t.Context(), ref); !errors.Is(err, sinktest.ErrFault) {
		t.Fatalf("Publish: got %v, want ErrFault", err)
	}
	f.Crash()
	if got := fmt.Sprint(f.Late()); got != "[{3 publish k}]" {
		t.Errorf("late calls: got %s", got)
	}
	if got := keys(t, mem); len(got) != 0 {
		t.Errorf("published before it landed: %q", got)
	}
	f.Land(0)
	if got := keys(t, mem); !slices.Equal(got, []string{"k"}) {
		t.Errorf("after it landed: got %q, want k", got)
	}
}

func TestALostReplyBreaksAListingOff(t *testing.T) {
	mem := sinktest.NewMemory()
	for i := range 4 {
		if err := mem.Create(t.Context(), fmt.Sprint("k", i), nil); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	var last error
	for o, err := range sinktest.FailAt(mem, 0, sinktest.ApplyThenFail).List(t.Context(), "", "") {
		if last = err; err == nil {
			got = append(got, o.Key)
		}
	}
	if want := []string{"k0", "k1"}; !slices.Equal(got, want) || !errors.Is(last, sinktest.ErrFault) {
		t.Errorf("got %q, %v, want %q and ErrFault", got, last, want)
	}
}

// A test lets a run fail at every call, until it survives.
func ExampleFailAt() {
	ctx := context.Background()
	for k := 0; ; k++ {
		var store sink.Store = sinktest.NewMemory()
		faulty := sinktest.FailAt(store, k, sinktest.ApplyThenFail)
		err := errors.Join(faulty.Create(ctx, "a", nil), faulty.Create(ctx, "b", nil))
		fmt.Println(k, err)
		if faulty.Calls() <= k {
			return // the run was over before call k: all points were tried
		}
	}
	// Output:
	// 0 create a (call 0): sinktest: injected fault
	// 1 create b (call 1): sinktest: injected fault
	// 2 <nil>
}
