package e2e

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/streamtest"
)

// watched keeps what a job tells of itself.
type watched struct {
	mu  sync.Mutex
	all []stream.Status
	at  []time.Time
}

func (w *watched) observe(s stream.Status) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all, w.at = append(w.all, s), append(w.at, time.Now())
}

// first returns when the status first was as wanted, at or after from; the zero time if it never was.
func (w *watched) first(from time.Time, wanted func(*stream.Status) bool) (time.Time, *stream.Status) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.all {
		if !w.at[i].Before(from) && wanted(&w.all[i]) {
			return w.at[i], &w.all[i]
		}
	}
	return time.Time{}, nil
}

// A store that was away for minutes once left no trace: Delay 0, Lag 0, Ready, Stalled nil, until the process ended after two
// minutes of "adopt lanes". And once it was back, a job waited for another interval before it committed what it read again.
func TestAnOutageIsRedWithinThreeIntervalsAndOverWithinTenSeconds(t *testing.T) {
	for _, every := range []time.Duration{10 * time.Second, time.Minute} {
		for _, hangs := range []bool{false, true} {
			for _, after := range []time.Duration{every / 3, every - time.Millisecond} {
				t.Run(fmt.Sprintf("every %v, hangs %v, after %v", every, hangs, after), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { anOutageIsToldAndOver(t, every, hangs, after) })
				})
			}
		}
	}
}

func anOutageIsToldAndOver(t *testing.T, every time.Duration, hangs bool, after time.Duration) {
	log, store := streamtest.NewLog(1), &sinktest.Memory{}
	away := &outage{from: time.Now().Add(5*every + after), hangs: hangs}
	away.to = away.from.Add(10 * time.Minute)
	var w watched
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- runTicks(ctx, log.Source(nil), sinktest.NewFaulty(store, away.before), &stream.Options{CommitEvery: every, Observe: w.observe})
	}()
	n := 0
	for ; time.Now().Before(away.to.Add(10 * time.Second)); n++ {
		log.Append(0, 0, time.Now(), strconv.Itoa(n))
		<-time.After(time.Second)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatalf("the job ended with %v", err)
	}
	wantTicks(t, store, n)

	red, s := w.first(away.from, func(s *stream.Status) bool { return s.Stalled != nil })
	if red.IsZero() || red.Sub(away.from) > 3*every {
		t.Errorf("stalled at %v, want within three intervals of %v", red, away.from)
	} else {
		t.Logf("stalled %v after the outage began: %v", red.Sub(away.from), s.Stalled)
	}
	for at := red; at.Before(away.to.Add(-time.Second)); at = at.Add(time.Second) {
		_, s := w.first(at, func(*stream.Status) bool { return true })
		if since := at.Sub(away.from); s.Stalled == nil || s.Delay < since-time.Second || s.Lag.Records < 5 { // this source does not count what it has not delivered
			t.Fatalf("%v into the outage: stalled %v, delay %v, lag %+v", since, s.Stalled, s.Delay, s.Lag)
		}
	}
	back, _ := w.first(away.to, func(s *stream.Status) bool { return s.LastCommit.After(away.to) })
	if back.IsZero() || back.Sub(away.to) > 10*time.Second {
		t.Errorf("the first commit after the outage at %v, want within ten seconds of %v", back, away.to)
	} else {
		t.Logf("committed %v after the outage", back.Sub(away.to))
	}
	last := w.all[len(w.all)-1]
	if last.Stalled != nil || last.Counts[stream.Written] != int64(n) || last.Uncommitted != 0 || last.Lag.Records != 0 {
		t.Errorf("at the end: stalled %v, %d written, %d uncommitted, lag %+v, want all %d written", last.Stalled, last.Counts[stream.Written],
			last.Uncommitted, last.Lag, n)
	}
}
