package ledger

import (
	"strings"
	"testing"
	"time"
)

// begun returns the state of a ledger that began at created, with hours of so long.
func begun(t *testing.T, hour time.Duration, created, start time.Time) *State {
	t.Helper()
	g := testGenesis()
	g.Hour, g.Created, g.Start = hour, created, start
	body, err := g.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return NewState(g, HashOf(body))
}

// commitAt commits a record of an event time to lane "a", with a file unless bare, and marks it.
func commitAt(t *testing.T, s *State, n int64, when time.Time, bare bool) {
	t.Helper()
	e := commit(lane(s, "a", n, when, when))
	if !bare {
		e.files(s.Genesis.HourOf(when))
	}
	must(t, s, e)
	if !bare {
		must(t, s, mark(s.Last))
	}
}

func closeWith(s *State, at time.Time, extra int64) *Entry {
	from, through, _ := s.CloseDue(at, 0, s.Unpublished)
	e := closing(from, through, at, part("a"))
	e.Close.Lateness, e.Close.EmptyHours = 0, extra
	if s.Hours.ClosedEntry != 0 {
		e.Sealed = s.Hours.Closed
	}
	return e
}

// A record of 2003 among the first ones of a live job once made 195,000 hours due, one of 1970 488,000 and one of the year 1
// 17.7 million.
func TestACloseHasNoMoreEmptyHoursInARowThanHavePassed(t *testing.T) {
	old := time.Date(2003, 2, 20, 7, 30, 0, 0, time.UTC)
	now := day.Add(12 * time.Hour)
	s := begun(t, time.Hour, day, time.Time{})
	commitAt(t, s, 1, old, false)
	commitAt(t, s, 2, now, false)
	from, through, due := s.CloseDue(now, 0, s.Unpublished)
	g, found := s.Gap(from, through, now, 4000)
	if hours := int64(now.Sub(old) / time.Hour); !due || !found || g.Hours != hours || g.Allowed != 4012 || g.Entry != 1 || g.AtClose ||
		!g.From.Equal(old.Truncate(time.Hour).Add(time.Hour)) || !g.Through.Equal(now) {
		t.Errorf("due %v, the gap is %+v, %v, want %d hours behind entry 1", due, g, found, hours)
	}
	wantVoid(t, "a gap of 22 years", s, closeWith(s, now, 4000))
	must(t, s, closeWith(s, now, -1))
}

func TestEmptyHoursAreCountedExactly(t *testing.T) {
	for _, c := range []struct {
		gap, passed int
		extra       int64
		ok          bool
	}{{10, 0, 10, true}, {11, 0, 10, false}, {11, 1, 10, true}, {1, 0, 0, false}, {1, 1, 0, true}, {100, 0, -1, true}, {13, 2, 10, false}} {
		s := begun(t, time.Hour, day, time.Time{})
		commitAt(t, s, 1, day, false)
		last := day.Add(time.Duration(c.gap+1) * time.Hour)
		commitAt(t, s, 2, last, false)
		clock := day.Add(time.Duration(c.passed)*time.Hour + 59*time.Minute)
		e := closing(day, last, clock, part("a"))
		e.Close.Lateness, e.Close.EmptyHours = 0, c.extra
		s.Prepare(e)
		if _, found := s.Gap(day, last, clock, c.extra); found == c.ok {
			t.Errorf("%+v: found a gap: %v", c, found)
		}
	}
}

func TestAJobThatWasStoppedForAYearGoesOnByItself(t *testing.T) {
	for _, hour := range []time.Duration{time.Minute, time.Hour, 24 * time.Hour} {
		s := begun(t, hour, day, time.Time{})
		commitAt(t, s, 1, day.Add(hour), false)
		commitAt(t, s, 2, day.Add(2*hour), false)
		must(t, s, closeWith(s, day.Add(2*hour), 4000))
		later := day.Add(365 * 24 * time.Hour)
		commitAt(t, s, 3, later, false)
		must(t, s, closeWith(s, later, 4000))
		if !s.Hours.Closed.Equal(later) {
			t.Errorf("hours of %s: closed through %s, want %s", hour, s.Hours.Closed, later)
		}
	}
}

func TestEmptyHoursSinceTheStartHourMayClose(t *testing.T) {
	start := day.Add(-3 * 365 * 24 * time.Hour)
	s := begun(t, time.Hour, day, start)
	commitAt(t, s, 1, day, false)
	must(t, s, closeWith(s, day, 4000))
}

func TestBlockersNameWhatEmptyHoursBeginWith(t *testing.T) {
	old, now := time.Date(2003, 2, 20, 7, 30, 0, 0, time.UTC), day.Add(12*time.Hour)
	say := func(s *State) string {
		var said []string
		for _, b := range s.Blockers(now, now, 0, 4000, nil) {
			if b.Kind == BlockedByGap {
				said = append(said, b.Gap.String())
			}
		}
		return strings.Join(said, "; ")
	}
	s := begun(t, time.Hour, day, time.Time{})
	commitAt(t, s, 1, old, false)
	if got := say(s); got != "" {
		t.Errorf("the first record is of 2003, and that is all: %q", got)
	}
	commitAt(t, s, 2, now, false)
	want := "the 194548 hours from 2003-02-20T08:00:00Z to 2025-05-01T12:00:00Z have no files, and a Close may include 4012 such hours " +
		"in a row: they begin with entry 1, which wrote to the hour before"
	if got := say(s); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	s = begun(t, time.Hour, day.Add(9000*time.Hour), day)
	commitAt(t, s, 1, day.Add(8000*time.Hour), false)
	now = day.Add(9000 * time.Hour)
	if got := say(s); got != "" {
		t.Errorf("hours since the start hour: %q", got)
	}
	now = day.Add(12 * time.Hour)
	s = begun(t, time.Hour, day, time.Time{})
	commitAt(t, s, 1, old, false)
	commitAt(t, s, 2, old.Add(time.Hour), true)
	must(t, s, closeWith(s, now, 4000))
	commitAt(t, s, 3, now, false)
	if got, want := say(s), "they begin with the hour that entry 4 closed last"; !strings.Contains(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
