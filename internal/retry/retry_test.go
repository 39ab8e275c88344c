package retry

import (
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

var errPassing = errors.New("passing")

func always(int, error) bool { return true }

func TestPausesDoubleUpToTheBound(t *testing.T) {
	var got []time.Duration
	for n := range 6 {
		got = append(got, Pause(100*time.Millisecond, time.Second, n))
	}
	const ms = time.Millisecond
	want := []time.Duration{100 * ms, 100 * ms, 200 * ms, 400 * ms, 800 * ms, time.Second}
	if !slices.Equal(got, want) {
		t.Errorf("pauses %v, want %v", got, want)
	}
	if got := Pause(time.Second, time.Minute, math.MaxInt); got != time.Minute {
		t.Errorf("after very many failures the pause is %s, want a minute", got)
	}
	if got := Pause(time.Minute, time.Second, 1); got != time.Second {
		t.Errorf("the pause is %s, want the bound", got)
	}
}

// spread is the shortest and the longest of many random times for a second.
func spread(random func(time.Duration) time.Duration) (low, high time.Duration) {
	low = time.Hour
	for range 1000 {
		d := random(time.Second)
		low, high = min(low, d), max(high, d)
	}
	return low, high
}

func TestJitterIsBetweenHalfAndAll(t *testing.T) {
	low, high := spread(Jitter)
	if low < 500*time.Millisecond || high > time.Second || high-low < 400*time.Millisecond {
		t.Errorf("from %s to %s, want spread from 500ms to 1s", low, high)
	}
	if Jitter(0) != 0 || Jitter(1) != 1 {
		t.Errorf("0 becomes %d, 1 becomes %d, want them unchanged", Jitter(0), Jitter(1))
	}
}

func TestCallsAreMadeUntilOneSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun, calls := time.Now(), 0
		err := Loop{First: time.Second, Most: 2 * time.Second, Again: always}.Do(t.Context(), func(context.Context) error {
			if calls++; calls < 4 {
				return errPassing
			}
			return nil
		})
		if took := time.Since(begun); err != nil || calls != 4 || took < 2500*time.Millisecond || took > 5*time.Second {
			t.Errorf("%v after %d calls and %s, want success after 4 calls and pauses of 1, 2 and 2 seconds or half of that", err, calls, took)
		}
	})
}

func TestTheLastErrorIsReturnedWhenItIsEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []int
		errLast := errors.New("last")
		calls := 0
		err := Loop{First: time.Second, Most: time.Second, Again: func(n int, _ error) bool {
			asked = append(asked, n)
			return n < 3
		}}.Do(t.Context(), func(context.Context) error {
			if calls++; calls == 3 {
				return errLast
			}
			return errPassing
		})
		if !errors.Is(err, errLast) || calls != 3 || !slices.Equal(asked, []int{1, 2, 3}) {
			t.Errorf("%v after %d calls, asked after %v, want the third error", err, calls, asked)
		}
	})
}

func TestTheEndOfTheContextEndsThePauseAndKeepsTheError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		err := Loop{First: time.Hour, Most: time.Hour, Again: always}.Do(ctx, func(context.Context) error { return errPassing })
		if took := time.Since(begun); !errors.Is(err, errPassing) || took != time.Second {
			t.Errorf("%v after %s, want the error of the call after a second", err, took)
		}
		calls := 0
		if err := (Loop{Again: always}).Do(ctx, func(context.Context) error { calls++; return errPassing }); !errors.Is(err, errPassing) || calls != 1 {
			t.Errorf("%v after %d calls, want one call though the context has ended", err, calls)
		}
	})
}

func TestAnAttemptHasADeadlineOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		err := Loop{Attempt: time.Second, Again: always}.Do(t.Context(), func(ctx context.Context) error {
			if calls++; calls == 1 {
				<-ctx.Done()
			}
			return ctx.Err()
		})
		if err != nil || calls != 2 {
			t.Errorf("%v after %d calls, want the second to succeed", err, calls)
		}
	})
}

// A store's Open once waited without end for an answer, since what it returns is read after the call and has no deadline.
func TestWhatIsBegunInTimeHasNoDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept := make(chan context.Context, 1)
		body, err := Stream(t.Context(), time.Second, func(ctx context.Context) (io.ReadCloser, error) {
			kept <- ctx
			return io.NopCloser(nil), Sleep(ctx, time.Second/2, nil)
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx := <-kept
		if err := Sleep(ctx, time.Hour, nil); err != nil {
			t.Errorf("after it was begun: %v, want no deadline", err)
		}
		if err := body.Close(); err != nil || ctx.Err() == nil {
			t.Error("the context lasts after its end")
		}
		begun := time.Now()
		_, err = Stream(t.Context(), time.Second, func(ctx context.Context) (io.ReadCloser, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		if took := time.Since(begun); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || took != time.Second {
			t.Errorf("%v after %s, want a deadline after a second", err, took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err = Stream(ctx, time.Second, func(ctx context.Context) (io.ReadCloser, error) { return nil, ctx.Err() }); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the end of the context", err)
		}
	})
}

func TestSleepEndsWhenItIsWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun, wake := time.Now(), make(chan struct{}, 1)
		Wake(wake)
		Wake(wake) // counts once
		if err := Sleep(t.Context(), time.Hour, wake); err != nil || time.Since(begun) != 0 {
			t.Errorf("%v after %s, want to be woken at once", err, time.Since(begun))
		}
		if err := Sleep(t.Context(), time.Hour, wake); err != nil || time.Since(begun) != time.Hour {
			t.Errorf("%v after %s, want to sleep for an hour", err, time.Since(begun))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := Sleep(ctx, 0, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the end of the context even of no sleep", err)
		}
	})
}

func TestRegularPausesAreSpreadByATenth(t *testing.T) {
	low, high := spread(Around)
	if low < 900*time.Millisecond || high > 1100*time.Millisecond || high-low < 150*time.Millisecond {
		t.Errorf("from %s to %s, want spread from 900ms to 1100ms", low, high)
	}
}

func TestWaitersOfOthersGetThePauses(t *testing.T) {
	var pauses []time.Duration
	errStop := errors.New("stop")
	err := Loop{First: 1, Most: 4, Again: always, Wait: func(_ context.Context, d time.Duration) error {
		if pauses = append(pauses, d); len(pauses) == 4 {
			return errStop
		}
		return nil
	}}.Do(t.Context(), func(context.Context) error { return errPassing })
	if !errors.Is(err, errPassing) || !slices.Equal(pauses, []time.Duration{1, 2, 4, 4}) {
		t.Errorf("%v, pauses %v, want 1, 2, 4, 4", err, pauses)
	}
}
