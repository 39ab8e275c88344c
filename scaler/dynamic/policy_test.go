package dynamic

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/scaler"
)

func TestNeedIsArrivalByTrueRateAtTheTargetUtilization(t *testing.T) {
	for _, c := range []struct {
		copies  int
		arrival float64
		cores   float64
		want    []int
	}{
		{8, 5300, 0, nil},       // 5300 / 1000 / 0.7 = 7.6: eight are right
		{9, 5500, 0, nil},       // room: nine are one too many, but the saving is not worth noise bringing it back
		{20, 4000, 0, []int{6}}, // 5.7
		{4, 4000, 0, []int{6}},  // 4 copies are busy all the time; 5.7
		{10, 4000, 2, []int{3}}, // a copy has two cores: 2.9
	} {
		j := newFake(c.copies, c.arrival)
		j.size.Cores = c.cores
		if got := copiesOf(j.run(t, dynamic(t, nil), 90*time.Minute)); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%d copies of %g cores at %g/s: changes to %v, want %v", c.copies, c.cores, c.arrival, got, c.want)
		}
	}
}

func TestBacklogIsWorkedOffInTheTimeToCatchUp(t *testing.T) {
	j := newFake(6, 4000)
	j.lag = 4000 * 1800 // half an hour
	d := dynamic(t, &Options{CatchUp: 20 * time.Minute})
	changes := j.run(t, d, 5*time.Minute)
	// (4000/1000)/0.7 = 5.7 and about (7.2 M - what is normal)/(1000 * 1200 s) = 5.7 more
	if len(changes) != 1 || changes[0].To.Copies < 11 || changes[0].To.Copies > 13 {
		t.Fatalf("changes to %v, want one to about 12", copiesOf(changes))
	}
	j.run(t, d, 25*time.Minute)
	if delay := j.lag / 4000; delay > d.o.Normal.Seconds() {
		t.Errorf("the delay is %.0f s after the time to catch up, want at most %s", delay, d.o.Normal)
	}
}

func TestStepUpComesBeforeTheGoalIsPassed(t *testing.T) {
	j := newFake(8, 0)
	j.arrival = func(d time.Duration) float64 { return 5000 * (1 + 1.5*min(1, max(0, (d-time.Hour).Minutes()/10))) }
	worst := 0.0
	j.edit = func(_ time.Duration, s *scaler.Sample) { worst = max(worst, s.Lag.Number/s.Arrival.Number) }
	changes := j.run(t, dynamic(t, nil), 3*time.Hour)
	if worst > 150 || len(changes) > 3 {
		t.Errorf("worst delay %.0f s with changes to %v, want at most half of the goal of 300 s in at most 3 steps", worst, copiesOf(changes))
	}
}

// Go converts a number that does not fit into an integer in a way that depends on the processor: a delay of 1e300 seconds
// became a negative one.
func TestDurationsOfAnyNumberAreInOrder(t *testing.T) {
	const century = 100 * 365 * 24 * time.Hour
	for s, want := range map[float64]time.Duration{
		math.Inf(-1): -century, -1e300: -century, -1.5: -1500 * time.Millisecond, 0: 0, 2: 2 * time.Second, 1e300: century, math.Inf(1): century,
	} {
		if got := duration(s); got != want {
			t.Errorf("%g seconds: got %s, want %s", s, got, want)
		}
	}
	if got := duration(math.NaN()); got != 0 {
		t.Errorf("got %s of what is no number", got)
	}
	for _, x := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), 1e300, -1e300} {
		if n := ceil(x); n != 0 && n != mostCopies {
			t.Errorf("%g copies are %d", x, n)
		}
	}
}

func TestMissingDataNeverMeanThatNothingWaits(t *testing.T) {
	for name, edit := range map[string]func(*scaler.Sample){
		"nothing":    func(s *scaler.Sample) { *s = scaler.Sample{} },
		"no arrival": func(s *scaler.Sample) { s.Arrival, s.Lag = scaler.Value{}, scaler.Value{} },
		"no lag":     func(s *scaler.Sample) { s.Lag, s.Delay = scaler.Value{}, scaler.Value{} },
		"NaN": func(s *scaler.Sample) {
			s.Arrival.Number, s.Done.Number, s.Lag.Number = math.NaN(), math.NaN(), math.NaN()
		},
		"negative":      func(s *scaler.Sample) { s.Lag.Number, s.Arrival.Number = -5, -1 },
		"stale":         func(s *scaler.Sample) { back(s, time.Hour) },
		"from tomorrow": func(s *scaler.Sample) { back(s, -24*time.Hour) },
	} {
		j := newFake(8, 5000)
		j.edit = func(d time.Duration, s *scaler.Sample) {
			if d > time.Hour {
				s.Arrival.Number, s.Done.Number = 10, 10 // would allow one copy
				edit(s)
			}
		}
		if got := j.run(t, dynamic(t, nil), 4*time.Hour); len(got) > 0 {
			t.Errorf("%s: changes %v, want none", name, got)
		}
	}
}

func back(s *scaler.Sample, by time.Duration) {
	for _, v := range values(s) {
		v.At = v.At.Add(-by)
	}
}

func TestFlatNoiseMakesNoChange(t *testing.T) {
	for load := 3000.0; load < 9000; load += 370 {
		for _, utilization := range []float64{0.7, 0.9} {
			j := newFake(int(math.Ceil(load/1000/utilization)), 0)
			j.arrival = func(d time.Duration) float64 { return load * (1 + 0.3*wobble(d)) }
			if got := j.run(t, dynamic(t, &Options{Utilization: utilization}), 6*time.Hour); len(got) > 0 {
				t.Errorf("load %g at %g: changes %v, want none in 6 hours", load, utilization, got)
			}
		}
	}
}

// Lag by committed offsets goes up and down with each commit, and the rate is nothing or double.
func TestCommitsOnceAMinuteMakeNoChange(t *testing.T) {
	j := newFake(8, 5000)
	j.edit = func(d time.Duration, s *scaler.Sample) {
		s.Busy = scaler.Value{}
		if int(d.Seconds())%60 != 0 {
			s.Done.Number, s.Lag.Number = 0, 5000*60
		} else {
			s.Done.Number = 10000
		}
	}
	d := dynamic(t, &Options{Rate: 1000})
	if got := j.run(t, d, 6*time.Hour); len(got) > 0 {
		t.Errorf("changes %v, want none", got)
	}
}

func TestAStepThatDidNotHelpIsNotRepeatedSoon(t *testing.T) {
	j := newFake(6, 7000)
	j.bound = 5000 // a database that is at its limit
	d := dynamic(t, nil)
	changes := j.run(t, d, 2*time.Hour)
	if len(changes) == 0 || len(changes) > 5 {
		t.Errorf("%d steps up in 2 hours, want few: %v", len(changes), copiesOf(changes))
	}
	if w := d.Want(scaler.Input{Now: j.now.Add(j.every), Current: j.size, Sample: j.step(), Last: j.last}); !strings.Contains(w.Why, "bottleneck") {
		t.Errorf("why is %q, want it to name the bottleneck", w.Why)
	}
	for i := 2; i < len(changes); i++ {
		if a, b := changes[i-1].At.Sub(changes[i-2].At), changes[i].At.Sub(changes[i-1].At); b < a*3/2 {
			t.Errorf("pause %s came after %s: it should double", b, a)
		}
	}
}

func TestAJobThatStandsStillGetsNoCopies(t *testing.T) {
	j := newFake(6, 4000)
	d := dynamic(t, nil)
	j.run(t, d, time.Hour)
	j.bound = 0.001
	if got := j.run(t, d, time.Hour); len(got) > 0 {
		t.Errorf("changes %v while nothing is done, want none", got)
	}
	j.bound = 0
	if got := j.run(t, d, 10*time.Minute); len(got) != 1 || got[0].To.Copies < 9 {
		t.Errorf("changes to %v after an hour's outage, want one that catches up", copiesOf(got))
	}
}

func TestPartitionsCapTheCopies(t *testing.T) {
	for _, c := range []struct {
		even        bool
		least, most int
	}{{false, 10, 11}, {true, 12, 12}} {
		j := newFake(6, 6700)
		j.parts = 12
		got := copiesOf(j.run(t, dynamic(t, &Options{Even: c.even}), 30*time.Minute))
		if len(got) != 1 || got[0] < c.least || got[0] > c.most {
			t.Errorf("even %v: changes to %v, want one to %d-%d", c.even, got, c.least, c.most)
		}
	}
	j := newFake(6, 60000)
	j.parts = 16
	if got := copiesOf(j.run(t, dynamic(t, nil), 30*time.Minute)); !slices.Equal(got, []int{16}) {
		t.Errorf("changes to %v, want 16: there are no more partitions", got)
	}
}

func TestStepsThatCanWaitComeAtTheBorderOfTheHour(t *testing.T) {
	j := newFake(20, 4000)
	changes := j.run(t, dynamic(t, &Options{HourBorders: true}), 3*time.Hour)
	if len(changes) != 1 || changes[0].At.Minute() >= hourBorder {
		t.Errorf("changes %v, want one within the first ten minutes of an hour", changes)
	}
	j = newFake(6, 5000)
	d := dynamic(t, &Options{HourBorders: true})
	j.run(t, d, 20*time.Minute)
	j.arrival = func(time.Duration) float64 { return 15000 }
	if got := j.run(t, d, 10*time.Minute); len(got) == 0 {
		t.Error("an urgent step waited for the border of the hour")
	}
}

func TestNothingIsChangedWhileCopiesStart(t *testing.T) {
	j := newFake(6, 12000)
	j.startUp = 6 * time.Minute
	d := dynamic(t, nil)
	changes := j.run(t, d, 30*time.Minute)
	if len(changes) < 1 || len(changes) > 2 {
		t.Fatalf("changes to %v, want one or two", copiesOf(changes))
	}
	for i := 1; i < len(changes); i++ {
		if gap := changes[i].At.Sub(changes[i-1].At); gap < j.startUp {
			t.Errorf("a step came %s after another, copies take %s to start", gap, j.startUp)
		}
	}
	if got := d.pause(); got < j.startUp || got > j.startUp+2*j.every {
		t.Errorf("measured pause %s, want about %s", got, j.startUp)
	}
}

func TestBoundsOfAStep(t *testing.T) {
	j := newFake(6, 30000)
	if got := copiesOf(j.run(t, dynamic(t, &Options{MaxUp: 5}), 10*time.Minute)); len(got) == 0 || got[0] != 11 {
		t.Errorf("changes to %v, want 11 first", got)
	}
	j = newFake(30, 3000)
	if got := copiesOf(j.run(t, dynamic(t, &Options{MaxDown: 4}), 25*time.Minute)); !slices.Equal(got, []int{26}) {
		t.Errorf("changes to %v, want 26", got)
	}
}

// Without a busy share the true rate shows only when there is a backlog.
func TestTrueRateWithoutBusyComesFromBacklogs(t *testing.T) {
	j := newFake(4, 3000)
	j.edit = func(_ time.Duration, s *scaler.Sample) { s.Busy = scaler.Value{} }
	d := dynamic(t, nil)
	if got := j.run(t, d, time.Hour); len(got) > 0 || d.state.Rate != 0 {
		t.Fatalf("changes %v and rate %g before any backlog, want none", got, d.state.Rate)
	}
	j.arrival = func(time.Duration) float64 { return 6000 }
	changes := j.run(t, d, time.Hour)
	if len(changes) == 0 || math.Abs(d.state.Rate-1000) > 50 {
		t.Errorf("rate %g and changes to %v, want 1000 and a step up", d.state.Rate, copiesOf(changes))
	}
}

func TestArrivalIsDerivedFromWorkAndLag(t *testing.T) {
	j := newFake(4, 6000)
	j.edit = func(_ time.Duration, s *scaler.Sample) { s.Arrival, s.Busy = scaler.Value{}, scaler.Value{} }
	changes := j.run(t, dynamic(t, nil), 20*time.Minute)
	if len(changes) == 0 || changes[0].To.Copies < 8 {
		t.Errorf("changes to %v, want enough for 6000/s", copiesOf(changes))
	}
}

func TestDecisionsAreTheSameForTheSameInputsAndAfterRestarts(t *testing.T) {
	play := func(restored bool) []scaler.Change {
		j := newFake(6, 0)
		j.restored = restored
		j.arrival = func(d time.Duration) float64 {
			return max(0, 6000*(1+0.8*math.Sin(d.Hours()))+3000*wobble(d))
		}
		j.edit = func(d time.Duration, s *scaler.Sample) {
			if int(d.Minutes())%97 < 9 {
				*s = scaler.Sample{}
			}
		}
		return j.run(t, dynamic(t, nil), 24*time.Hour)
	}
	want := play(false)
	if len(want) < 4 {
		t.Fatalf("only %d changes: the test shows nothing", len(want))
	}
	if got := play(false); !reflect.DeepEqual(got, want) {
		t.Errorf("the second run decided\n%v\nwant\n%v", got, want)
	}
	if got := play(true); !reflect.DeepEqual(got, want) {
		t.Errorf("with a restart after each step it decided\n%v\nwant\n%v", got, want)
	}
}

func TestReadingsFiveMinutesApartAreEnough(t *testing.T) {
	j := newFake(4, 5600)
	j.every = 5 * time.Minute
	d := dynamic(t, &Options{Window: 15 * time.Minute, Stable: 30 * time.Minute})
	if got := copiesOf(j.run(t, d, 4*time.Hour)); len(got) == 0 || got[len(got)-1] != 8 && got[len(got)-1] != 9 {
		t.Errorf("changes to %v, want 8 or 9 in the end", got)
	}
	if got := j.lag; got > 0 {
		t.Errorf("%g records wait in the end", got)
	}
}

func TestDynamicListsAllBadOptionsAtOnce(t *testing.T) {
	_, err := New(&Options{
		Utilization: 1.2, High: math.NaN(), Goal: -1, Window: time.Hour, MaxUp: -1, Rate: -1, MinDown: 1,
	})
	wantAll(t, err, "Utilization 1.2", "High NaN", "Goal -1ns", "Stable 10m0s is below Window 1h0m0s", "MaxUp -1", "Rate -1", "MinDown 1")
}

// The goal is what binds: a looser one leaves less room, and room that nothing needs is paid for at every hour of the day.
func TestRoomFollowsTheGoal(t *testing.T) {
	for goal, want := range map[time.Duration]float64{
		0: 0.95, 20 * time.Second: 0.7, time.Minute: 0.75, 150 * time.Second: 0.9, 5 * time.Minute: 0.95, time.Hour: 0.95,
	} {
		d, err := New(&Options{Goal: goal})
		if err != nil {
			t.Fatal(err)
		}
		if got := d.o.Utilization; math.Abs(got-want) > 1e-9 {
			t.Errorf("goal %s: utilization %g, want %g", goal, got, want)
		}
	}
	if d, err := New(&Options{Utilization: 0.6}); err != nil || d.o.Utilization != 0.6 {
		t.Errorf("got %+v, %v, want the utilization that was asked for", d, err)
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
