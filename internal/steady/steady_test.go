package steady

import (
	"testing"
	"time"
)

var start = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// reader reads a clock that is off by so much, at a time that has passed.
type reader struct {
	c    Clock
	mono time.Duration
}

func (r *reader) read(passed, off time.Duration) Time {
	r.mono += passed
	now := start.Add(r.mono)
	return r.c.Read(now.Add(off), r.mono, now, time.Time{})
}

func begun() *reader {
	r := &reader{c: Clock{Limits: Default}}
	r.read(0, 0)
	return r
}

// The store's clock was once a day ahead for 8 seconds, and a job that was idle sealed 24 hours.
func TestAStepIsNotBelievedAtOnce(t *testing.T) {
	const day = 24 * time.Hour
	r := begun()
	for range 4 {
		got := r.read(2*time.Second, day)
		if now := start.Add(r.mono); !got.Doubt || !got.At.Equal(now) || !got.Latest.Equal(now.Add(day)) || !got.Expected.Equal(now) {
			t.Fatalf("after a step of a day: %+v, want %s", got, now)
		}
	}
	if got := r.read(2*time.Second, 0); got.Doubt || !got.At.Equal(start.Add(r.mono)) {
		t.Errorf("when it is back: %+v", got)
	}
}

func TestAStepBackIsTheEarlierClock(t *testing.T) {
	r := begun()
	got := r.read(time.Second, -2*time.Hour)
	if now := start.Add(r.mono); !got.Doubt || !got.At.Equal(now.Add(-2*time.Hour)) || !got.Latest.Equal(now) {
		t.Errorf("after a step back of two hours: %+v, want %s as the latest time", got, now)
	}
}

func TestAStepThatPersistsIsBelieved(t *testing.T) {
	for _, off := range []time.Duration{24 * time.Hour, -24 * time.Hour, 3 * time.Minute} {
		r, n := begun(), 0
		for ; r.read(3*time.Second, off).Doubt; n++ {
			if n > 1000 {
				t.Fatal("a clock that is wrong for ever is never believed")
			}
		}
		if passed := time.Duration(n) * 3 * time.Second; passed != Default.Persist {
			t.Errorf("off by %s: doubted for %s, want %s", off, passed, Default.Persist)
		}
		if got := r.read(3*time.Second, off); got.Doubt || !got.At.Equal(start.Add(r.mono+off)) {
			t.Errorf("off by %s: believed, and then %+v", off, got)
		}
	}
}

func TestAClockThatStepsAgainIsDoubtedAnew(t *testing.T) {
	r := begun()
	for i := range 300 { // half an hour
		off := time.Duration(1+i/100%2) * 24 * time.Hour // a new one every five minutes
		if got := r.read(3*time.Second, off); !got.Doubt || !got.At.Equal(start.Add(r.mono)) {
			t.Fatalf("reading %d: %+v", i, got)
		}
	}
}

func TestTwoStepsAreNotOneThatPersists(t *testing.T) {
	r := begun()
	r.read(time.Second, 24*time.Hour)
	for range 50 {
		if got := r.read(Default.Persist/2+time.Second, 24*time.Hour); !got.Doubt {
			t.Fatal("readings that are far from each other are taken for a step that persists")
		}
	}
}

func TestAClockMayDrift(t *testing.T) {
	r := begun()
	for i := range 1000 {
		if got := r.read(time.Hour, time.Duration(i)*50*time.Second); got.Doubt {
			t.Fatalf("after %d hours: %+v", i, got)
		}
	}
}

// At the start nothing is known of the store's clock but what the machine's says, and what the ledger has seen.
func TestTheFirstReadingIsComparedWithTheMachineAndTheLedger(t *testing.T) {
	for _, c := range []struct {
		off, newest time.Duration // of the store's clock, and of what the ledger has seen, from the machine's
		doubt       bool
		at, latest  time.Duration
	}{
		{0, -time.Hour, false, 0, 0},
		{time.Hour, -time.Hour, false, time.Hour, time.Hour},
		{-time.Hour, -2 * time.Hour, false, -time.Hour, -time.Hour},
		{24 * time.Hour, -time.Hour, true, 0, 24 * time.Hour},
		{-24 * time.Hour, -48 * time.Hour, true, -24 * time.Hour, 0},
		{-30 * time.Minute, 2 * time.Hour, true, -30 * time.Minute, 2 * time.Hour}, // both clocks are behind the ledger
		{48 * time.Hour, 48 * time.Hour, false, 48 * time.Hour, 48 * time.Hour},    // the machine's is wrong: the ledger agrees
	} {
		r := &reader{c: Clock{Limits: Default}}
		got := r.c.Read(start.Add(c.off), 0, start, start.Add(c.newest))
		if got.Doubt != c.doubt || !got.At.Equal(start.Add(c.at)) || !got.Latest.Equal(start.Add(c.latest)) {
			t.Errorf("%+v: got %+v", c, got)
		}
	}
}

func TestWithoutLimitsEverythingIsBelieved(t *testing.T) {
	var c Clock
	c.Read(start, 0, start, start)
	if got := c.Read(start.Add(24*time.Hour), 1, start, start); got.Doubt || !got.At.Equal(start.Add(24*time.Hour)) {
		t.Errorf("got %+v", got)
	}
}
