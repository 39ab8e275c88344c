package env

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestEachKeepsToItsBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &Env{Parallel: 3, Sleep: sleep}
		var now, most, calls atomic.Int64
		err := e.Each(t.Context(), 20, func(ctx context.Context, _ int) error {
			if n := now.Add(1); n > most.Load() {
				most.Store(n)
			}
			defer now.Add(-1)
			calls.Add(1)
			return e.Sleep(ctx, time.Second)
		})
		if err != nil || calls.Load() != 20 || most.Load() != 3 {
			t.Errorf("%d calls, %d at once, %v, want 20 and 3", calls.Load(), most.Load(), err)
		}
	})
}

// A goroutine that panics runs its deferred calls before the process dies, as one does that ends by runtime.Goexit. Each
// once returned nil then, and a commit went on without the file whose codec had panicked.
func TestEachDoesNotSucceedWhenACallEndsWithoutAResult(t *testing.T) {
	var calls atomic.Int64
	err := (&Env{Parallel: 3}).Each(t.Context(), 3, func(_ context.Context, i int) error {
		calls.Add(1)
		if i == 1 {
			runtime.Goexit()
		}
		return nil
	})
	if err == nil || calls.Load() != 3 {
		t.Errorf("got %v after %d calls, want an error after 3", err, calls.Load())
	}
}

// The end of the context keeps calls from being made, and those that were made may not have noticed it.
func TestEachDoesNotSucceedWhenCallsWereNotMade(t *testing.T) {
	why := errors.New("why")
	ctx, cancel := context.WithCancelCause(t.Context())
	var calls atomic.Int64
	err := (&Env{Parallel: 2}).Each(ctx, 100, func(context.Context, int) error {
		calls.Add(1)
		cancel(why)
		return nil
	})
	if !errors.Is(err, why) || calls.Load() == 100 {
		t.Errorf("got %v after %d calls, want the cause, and fewer than 100", err, calls.Load())
	}
}

func TestEachAloneGoesInOrderAndStopsAtAnError(t *testing.T) {
	bad := errors.New("bad")
	var got []int
	err := (&Env{Parallel: 1}).Each(t.Context(), 5, func(_ context.Context, i int) error {
		got = append(got, i) // a race if it had goroutines
		if i == 2 {
			return bad
		}
		return nil
	})
	if !errors.Is(err, bad) || len(got) != 3 {
		t.Errorf("calls %v, %v, want 0 to 2 and the error", got, err)
	}
}

func TestWaitPrefersTheFirst(t *testing.T) {
	e := Default()
	closed, open := make(chan struct{}), make(chan struct{})
	close(closed)
	if first, err := e.Wait(t.Context(), closed, closed); !first || err != nil {
		t.Errorf("both closed: %v, %v", first, err)
	}
	if first, err := e.Wait(t.Context(), open, closed); first || err != nil {
		t.Errorf("the second closed: %v, %v", first, err)
	}
	why := errors.New("why")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if _, err := e.Wait(ctx, open, nil); !errors.Is(err, why) {
		t.Errorf("none closed: %v, want the cause", err)
	}
}

// yielding is a Scheduler that unlocks what a goroutine waits for.
type yielding struct{ mu *sync.Mutex }

func (y yielding) Yield(string) { y.mu.Unlock() }

func TestLockYieldsToTheScheduler(t *testing.T) {
	var mu sync.Mutex
	mu.Lock()
	(&Env{Scheduler: yielding{&mu}}).Lock(&mu)
	if mu.TryLock() {
		t.Error("the mutex is not locked")
	}
}
