package sample_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/sample"
	"github.com/onceflow/onceflow/stream/stage"
	"github.com/onceflow/onceflow/stream/streamtest"
)

var t0 = time.Date(2025, 5, 1, 6, 0, 0, 0, time.UTC)

func self(s *string) string { return *s }

func pass(t *testing.T, share float64) (in map[string]bool) {
	in = map[string]bool{}
	l := streamtest.Open(t, sample.Keys(share, self))
	var events []record.Event[string]
	for i := range 500 {
		events = append(events, record.Event[string]{Value: fmt.Sprint("user", i), Time: t0})
	}
	for _, k := range l.FeedAll(events) {
		in[k] = true
	}
	return in
}

func TestShareOfKeysIsStableAndGrows(t *testing.T) {
	last := map[string]bool{}
	for _, share := range []float64{0, 0.01, 0.1, 0.5, 0.99, 1} {
		in := pass(t, share)
		if got, off := float64(len(in))/500, 0.06; math.Abs(got-share) > off || (share == 0 || share == 1) && got != share {
			t.Errorf("share %v: %v of the keys", share, got)
		}
		for k := range last {
			if !in[k] {
				t.Errorf("%s is in the smaller share, and not in %v", k, share)
			}
		}
		last = in
	}
	// The choice is part of what users rely on: the same keys in every process and release.
	if in := pass(t, 0.1); !in["user57"] || in["user58"] {
		var first []string
		for i := range 100 {
			if k := fmt.Sprint("user", i); in[k] {
				first = append(first, k)
			}
		}
		t.Errorf("another choice than ever: %v", first)
	}
}

func TestFirstOfEachIntervalPass(t *testing.T) {
	l := streamtest.Open(t, sample.Limit(2, time.Minute, self, nil))
	for i := range 120 {
		l.Feed(t0.Add(time.Duration(i)*time.Second), "a")
	}
	l.Feed(t0, "b")
	for range 5 {
		l.Feed(t0, "")
	}
	if n := len(l.Out); n != 4+1+5 || l.Reasons()["over the limit"] != 116 {
		t.Errorf("%d passed, %v; want 10 and 116", n, l.Reasons())
	}
}

// The reference counts all events so far, of any interval.
func TestLimitEqualsTheReferenceOverCrashes(t *testing.T) {
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 1))
		n := 1 + r.IntN(3)
		l := streamtest.Open(t, sample.Limit(n, 10*time.Second, self, &sample.LimitOptions{Grace: 10 * time.Second}))
		counts := map[string]int{}
		var want []string
		now, newest := t0, t0
		for i := range 60 {
			now = now.Add(time.Duration(r.IntN(3)) * time.Second)
			at := now.Add(-time.Duration(r.IntN(10)) * time.Second)
			newest = slices.MaxFunc([]time.Time{newest, at}, time.Time.Compare)
			k := fmt.Sprint(r.IntN(3))
			c := fmt.Sprint(k, at.Truncate(10*time.Second))
			if counts[c]++; counts[c] <= n {
				want = append(want, k)
			}
			l.Feed(at, k)
			switch r.IntN(6) {
			case 0:
				l.Advance(newest)
			case 1:
				l.Crash()
			case 2:
				l.Fence()
			case 3:
				l.Commit()
			}
			if !slices.Equal(l.Out, want) {
				t.Fatalf("seed %d, event %d: got %v, want %v", seed, i, l.Out, want)
			}
		}
		l.Close()
	}
}

func TestIntervalsThatAreOverAreForgotten(t *testing.T) {
	var overflow atomic.Int64
	l := streamtest.Open(t, sample.Limit(1, time.Minute, self, &sample.LimitOptions{MaxKeys: 10, Grace: -1, Overflow: &overflow}))
	for i := range 100 {
		at := t0.Add(time.Duration(i) * 6 * time.Second)
		l.Feed(at, fmt.Sprint(i))
		l.Advance(at)
	}
	if len(l.Out) != 100 || overflow.Load() != 0 {
		t.Errorf("%d passed, %d without room; want 100 and none", len(l.Out), overflow.Load())
	}
	for range 2 {
		l.Feed(t0.Add(9*time.Minute+54*time.Second), "one too many")
	}
	if len(l.Out) != 102 || overflow.Load() != 2 {
		t.Errorf("%d passed, %d without room; want 102 and 2", len(l.Out), overflow.Load())
	}
}

func TestSenselessSamplesAreRefused(t *testing.T) {
	for _, s := range []stage.Stage[string, string]{
		sample.Keys(-0.1, self), sample.Keys(1.1, self), sample.Keys(math.NaN(), self),
		sample.Limit(0, time.Minute, self, nil), sample.Limit(1, 0, self, nil),
		sample.Limit(1, time.Minute, self, &sample.LimitOptions{Grace: -2}),
	} {
		if stage.TraitsOf(s).Err == nil {
			t.Error("no error")
		}
	}
}
