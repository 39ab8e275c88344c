package sinktest

import (
	"net/http"
	"time"

	"github.com/onceflow/onceflow/sink"
)

// What a clock may be off: answers have whole seconds, machines stumble, and a server's clock may differ from ours.
const (
	clockStep  = 5 * time.Second
	clockApart = 2 * time.Minute
)

// Contract: Now is the time, in UTC. It goes on between two calls, as fast as time does, and not back by more than a clock is
// wrong. All handles have the same clock.
func nowIsAClock(s *suite) {
	if s.traits.FakeClock {
		return // a test's own, which may jump
	}
	begun := time.Now()
	first, ok := now(s, s.a)
	if !ok {
		return
	}
	if first.Before(begun.Add(-clockApart)) || first.After(time.Now().Add(clockApart)) {
		s.Errorf("Now: %v, more than %v from this machine's %v: not the time, or that of a server that is set wrong", first, clockApart, time.Now().UTC())
	}
	const most = 15 * time.Second
	pace := time.NewTicker(100 * time.Millisecond)
	defer pace.Stop()
	for last := first; ; <-pace.C {
		before := time.Since(begun)
		now, ok := now(s, s.b)
		after := time.Since(begun)
		if now.Before(last.Add(-2 * time.Second)) {
			s.Errorf("Now: %v after %v", now, last)
		}
		passed := now.Sub(first)
		switch last = now; {
		case !ok || s.Failed():
			return
		case passed < before-clockStep || passed > after+clockStep:
			s.Errorf("Now: it went on by %v in %v: it stands still, or is another clock on another handle", passed, after)
			return
		case passed >= 2*time.Second && after >= 2*time.Second:
			return
		case after > most:
			s.Errorf("Now: it went on by %v in %v", passed, after)
			return
		}
	}
}

func now(s *suite, store sink.Store) (time.Time, bool) {
	s.Helper()
	now, err := store.Now(s.Context())
	switch {
	case err != nil:
		s.Errorf("Now: %v", err)
	case now.Location() != time.UTC:
		s.Errorf("Now: %v is not in UTC", now)
	}
	return now, err == nil
}

// Contract: Now is the clock of the store, not of the machine that asks: processes on many machines compare its times. If
// the store does not answer, Now fails, or goes on from an answer before.
func nowIsTheServersClock(s *suite) {
	plain, ok := now(s, s.a)
	at := time.Now()
	if !ok {
		return
	}
	for _, shift := range []time.Duration{7 * time.Minute, -7 * time.Minute} { // services refuse requests that are 15 off
		f := NewFront(s.T, s.bench.place.Server)
		f.Shift(shift)
		raw, err := s.bench.Open(s.T, Place{Server: f.URL, Name: s.bench.place.Name})
		if err != nil {
			s.Errorf("Open on a server whose clock is off by %v: %v", shift, err)
			continue
		}
		store := s.bench.watch(s.T, raw)
		check := func(when string, now time.Time) {
			if off := now.Sub(plain) - time.Since(at); (off - shift).Abs() > 2*clockStep {
				s.Errorf("Now %s: off by %v from the server's clock, which the front moved by %v", when, off-shift, shift)
			}
		}
		if now, ok := now(s, store); ok {
			check("of a server whose clock was moved", now)
		}
		f.Spoil(func(int, *http.Request) Fault { return Fault{Kind: Answer, Status: http.StatusServiceUnavailable} })
		if now, err := store.Now(s.Context()); err == nil {
			check("when the server fails", now)
		}
	}
}
