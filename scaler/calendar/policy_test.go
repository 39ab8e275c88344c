package calendar

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/onceflow/onceflow/scaler"
)

func size(copies int) scaler.Size { return scaler.Size{Copies: copies} }

// warsaw is a plan whose ranges cross midnight and both changes of the clocks (at 02:00 and at 03:00 local time).
func warsaw() Plan {
	return Plan{Zone: "Europe/Warsaw", Rules: []Rule{
		{Name: "rush", From: At(18, 0), To: At(2, 0), Size: size(12)},
		{Name: "night", From: At(2, 0), To: At(2, 30), Size: size(3)},
		{Name: "early", From: At(2, 30), To: At(6, 0), Size: size(2)},
		{Name: "day", From: At(6, 0), To: At(18, 0), Size: size(5)},
	}}
}

func static(t *testing.T, c Plan) *Policy {
	t.Helper()
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func at(t *testing.T, text string) time.Time {
	t.Helper()
	u, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// switches lists the size at from and each later change, minute by minute.
func switches(s *Policy, from time.Time, minutes int) (list []string) {
	last := -1
	for m := range minutes {
		u := from.Add(time.Duration(m) * time.Minute)
		if n := s.Want(scaler.Input{Now: u}).Size.Copies; n != last {
			list = append(list, u.In(s.zone).Format("15:04 -0700")+" "+size(n).String())
			last = n
		}
	}
	return list
}

func TestRangesHoldOnDaysWhenTheClocksChange(t *testing.T) {
	for name, c := range map[string]struct {
		from string
		want []string
	}{
		"ordinary day": {"2026-03-27T23:00:00Z", []string{"00:00 +0100 12 copies", "02:00 +0100 3 copies", "02:30 +0100 2 copies", "06:00 +0100 5 copies", "18:00 +0100 12 copies"}},
		// 02:00 to 03:00 does not exist: what lies within it is skipped, and the rest begins at its time.
		"spring": {"2026-03-28T23:00:00Z", []string{"00:00 +0100 12 copies", "03:00 +0200 2 copies", "06:00 +0200 5 copies", "18:00 +0200 12 copies"}},
		// 02:00 to 03:00 comes twice: each rule begins at the first time and is not interrupted by the second.
		"autumn": {"2026-10-24T22:00:00Z", []string{"00:00 +0200 12 copies", "02:00 +0200 3 copies", "02:30 +0200 2 copies", "06:00 +0100 5 copies", "18:00 +0100 12 copies"}},
	} {
		s := static(t, warsaw())
		if got := switches(s, at(t, c.from), 23*60); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\n got %q\nwant %q", name, got, c.want)
		}
	}
}

func TestMidnightThatDoesNotExistBeginsWithTheSkip(t *testing.T) {
	beirut := static(t, Plan{Zone: "Asia/Beirut", Rules: []Rule{ // the clocks go from 00:00 to 01:00
		{From: At(0, 0), To: At(0, 30), Size: size(2)}, {From: At(0, 30), To: At(24, 0), Size: size(3)},
	}})
	want := []string{"23:00 +0200 3 copies"} // 00:00-00:30 is skipped as a whole
	if got := switches(beirut, at(t, "2024-03-30T21:00:00Z"), 180); !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// At 00:01 the clocks of St John's went back to 23:01 of the day before, which no rule covered then.
func TestClocksThatFallBackOverMidnightLeaveNoGap(t *testing.T) {
	s := static(t, Plan{Zone: "America/St_Johns", Rules: []Rule{
		{Days: On(time.Saturday), To: At(24, 0), Size: size(6)}, {Days: On(time.Sunday), To: At(24, 0), Size: size(7)},
		{Days: On(time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday), To: At(24, 0), Size: size(1)},
	}})
	want := []string{"22:00 -0230 6 copies", "00:00 -0230 7 copies", "00:00 -0330 1 copies"} // Sunday is an hour longer
	if got := switches(s, at(t, "2010-11-07T00:30:00Z"), 30*60); !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestARangeOverMidnightBelongsToTheDayItStartsOn(t *testing.T) {
	s := static(t, Plan{Zone: "UTC", Otherwise: size(1), Rules: []Rule{
		{Name: "friday night", Days: On(time.Friday), From: At(18, 0), To: At(2, 0), Size: size(9)},
	}})
	want := []string{"00:00 +0000 1 copies", "18:00 +0000 9 copies", "02:00 +0000 1 copies"}
	if got := switches(s, at(t, "2026-03-06T00:00:00Z"), 3*24*60); !reflect.DeepEqual(got, want) { // a Friday
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTheLeapDayIsADay(t *testing.T) {
	s := static(t, Plan{Zone: "UTC", Otherwise: size(1), Rules: []Rule{
		{Name: "leap", Dates: []Date{{Month: time.February, Day: 29}}, To: At(24, 0), Size: size(7)},
	}})
	if got, want := switches(s, at(t, "2028-02-28T00:00:00Z"), 3*24*60), 3; len(got) != want {
		t.Errorf("2028 has %q, want the leap day alone with 7 copies", got)
	}
	if got, want := switches(s, at(t, "2027-02-27T00:00:00Z"), 4*24*60), 1; len(got) != want {
		t.Errorf("2027 has %q, want no leap day", got)
	}
}

func TestDatesGoBeforeWeekdays(t *testing.T) {
	c := warsaw()
	c.Rules = append(c.Rules, Rule{Name: "black friday", Dates: []Date{{2026, time.November, 27}}, From: At(10, 0), To: At(22, 0), Size: size(20)})
	want := []string{"06:00 +0100 5 copies", "10:00 +0100 20 copies", "22:00 +0100 12 copies"}
	if got := switches(static(t, c), at(t, "2026-11-27T05:00:00Z"), 18*60); !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLeadMakesRisesEarlyAndFallsNever(t *testing.T) {
	c := warsaw()
	c.Lead = 10 * time.Minute
	want := []string{"04:00 +0100 2 copies", "05:50 +0100 5 copies", "17:50 +0100 12 copies", "02:00 +0100 3 copies"}
	s := static(t, c)
	if got := switches(s, at(t, "2026-03-10T03:00:00Z"), 1345); !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	w := s.Want(scaler.Input{Now: at(t, "2026-03-10T16:52:00Z")})
	if want := "rule rush 18:00-02:00 Europe/Warsaw, which begins in 8m0s"; w.Why != want {
		t.Errorf("why is %q, want %q", w.Why, want)
	}
}

func TestCalendarListsAllFaultsAtOnce(t *testing.T) {
	_, err := New(Plan{Zone: "Europe/Warszawa", Lead: -1, Rules: []Rule{
		{Name: "nobody", From: At(1, 0), To: At(2, 0)},
		{Name: "late", From: At(25, 0), To: At(3, 0), Size: size(1)},
		{Name: "february", Dates: []Date{{2026, time.February, 29}}, To: At(24, 0), Size: size(1)},
		{Days: Weekend, Dates: []Date{{0, 12, 24}}, To: At(24, 0), Size: scaler.Size{Copies: 1, Cores: -2}},
	}})
	wantAll(t, err, `zone "Europe/Warszawa" is unknown`, "lead", `rule "nobody": 0 copies have no capacity`, `rule "late": from 25:00`,
		`rule "february": there is no 2026-02-29`, "rule 4: has weekdays and dates", "rule 4: -2 cores")
}

func TestCalendarFindsGapsAndOverlaps(t *testing.T) {
	_, err := New(Plan{Zone: "UTC", Rules: []Rule{
		{Name: "a", From: At(18, 0), To: At(2, 0), Size: size(1)},
		{Name: "b", From: At(6, 0), To: At(19, 0), Size: size(1)},
		{Name: "c", Days: Weekend, From: At(2, 0), To: At(4, 0), Size: size(1)},
		{Name: "xmas", Dates: []Date{{0, 12, 24}}, From: At(12, 0), To: At(2, 0), Size: size(1)},
		{Name: "boxing", Dates: []Date{{2026, 12, 25}}, From: At(0, 0), To: At(12, 0), Size: size(1)},
	}})
	wantAll(t, err, "no rule covers mon tue wed thu fri 02:00-06:00", "no rule covers sat sun 04:00-06:00",
		`rule "a" and rule "b" overlap on every day 18:00-19:00`, `rule "xmas" and rule "boxing" overlap on 2026-12-25`)
	if got := strings.Count(err.Error(), "\n") + 1; got != 4 {
		t.Errorf("%d faults, want 4:\n%v", got, err)
	}
}

func wantAll(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("the error does not say %q:\n%v", p, err)
		}
	}
}

func TestCalendarIsTheSameAfterJSON(t *testing.T) {
	c := warsaw()
	c.Lead = 10 * time.Minute
	c.Rules[0].Days = Weekdays
	c.Rules = append(c.Rules, Rule{Name: "d", Dates: []Date{{0, 2, 29}, {2026, 11, 27}}, To: At(24, 0), Size: scaler.Size{Copies: 2, Cores: 1.5}})
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var back Plan
	if err := json.Unmarshal(b, &back); err != nil || !reflect.DeepEqual(back, c) {
		t.Errorf("got %+v (%v)\nwant %+v\nfrom %s", back, err, c, b)
	}
	for _, bad := range []string{
		`{"zone":"UTC","ruls":[]}`, `{"rules":[{"from":"24:01"}]}`, `{"rules":[{"days":"mon-fry"}]}`,
		`{"rules":[{"dates":["2026-02-29"]}]}`, `{"lead":"ten"}`, `{"rules":[{"from":"1800"}]}`,
	} {
		if err := json.Unmarshal([]byte(bad), new(Plan)); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
}

// Whatever the zone and the rules, each moment has exactly one rule of a plan without gaps and overlaps.
func FuzzEveryMomentHasOneRule(f *testing.F) {
	for _, zone := range []string{"Europe/Warsaw", "America/New_York", "Australia/Lord_Howe", "Asia/Beirut", "Africa/Casablanca", "Pacific/Apia", "America/St_Johns"} {
		f.Add(zone, uint16(60), uint16(150), uint16(1200), int64(1774659600))
		f.Add(zone, uint16(0), uint16(119), uint16(180), int64(1792875600))
		f.Add(zone, uint16(0), uint16(600), uint16(1410), int64(1289098800)) // 2010-11-07 02:31 UTC, when St John's was back on the sixth
	}
	f.Fuzz(func(t *testing.T, zone string, a, b, c uint16, unix int64) {
		a, b, c = a%minutesOfDay, b%minutesOfDay, c%minutesOfDay
		loc, err := time.LoadLocation(zone)
		if err != nil || zone == "" || !(a < b && b < c) {
			return
		}
		cal := Plan{Zone: zone, Rules: []Rule{
			{Name: "1", From: Clock(a), To: Clock(b), Size: size(1)}, {Name: "2", From: Clock(b), To: Clock(c), Size: size(2)},
			{Name: "3", From: Clock(c), To: Clock(a), Size: size(3)},
		}}
		s := static(t, cal)
		from := time.Unix(unix%4e9, 0)
		for m := 0; m < 26*60; m += 5 {
			u, n := from.Add(time.Duration(m)*time.Minute), 0
			for _, r := range s.plan.Rules {
				if r.covers(u, loc) {
					n++
				}
			}
			if n != 1 {
				t.Fatalf("%d rules at %s", n, u.In(loc))
			}
		}
	})
}
