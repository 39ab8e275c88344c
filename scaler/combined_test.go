package scaler

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// answer is a policy with a fixed answer; ahead is what it foresees.
type answer struct {
	w     Want
	ahead int
}

func (a *answer) Want(in Input) Want {
	w := a.w
	if w.Hold {
		w.Size = in.Current
	}
	return w
}
func (a *answer) Ahead(time.Time, time.Duration) Size { return size(a.ahead) }

func TestTheFloorHoldsAndTheCorrectionRaisesIt(t *testing.T) {
	for name, c := range map[string]struct {
		floor, ahead, need, current, want int
		hold                              bool
	}{
		"floor above":                        {8, 8, 5, 4, 8, false},
		"correction above":                   {4, 4, 9, 4, 9, false},
		"no data: rises with the floor":      {8, 8, 0, 4, 8, true},
		"no data: does not fall below":       {4, 4, 0, 9, 9, true},
		"up: as far as the calendar soon":    {4, 12, 6, 4, 12, false},
		"down: not below the calendar soon":  {4, 12, 6, 14, 12, false},
		"down: stays if the rise is greater": {4, 16, 6, 14, 14, false},
		"no step: the calendar waits":        {4, 12, 4, 4, 4, false},
	} {
		p := NewCombined(&answer{Want{Size: size(c.floor)}, c.ahead}, &answer{Want{Size: size(c.need), Hold: c.hold}, 0})
		if got := p.Want(Input{Current: size(c.current)}); got.Size.Copies != c.want || len(got.Parts) != 2 || got.Why == "" {
			t.Errorf("%s: %+v, want %d copies", name, got, c.want)
		}
	}
}

func TestCoresComeFromTheFloor(t *testing.T) {
	p := NewCombined(&answer{Want{Size: Size{4, 2}}, 4}, dynamic(t, &DynamicOptions{Rate: 500}))
	j := newFake(4, 5300)
	j.size.Cores, j.rate = 1, 500
	j.run(t, p, 30*time.Minute)
	if want := (Size{8, 2}); j.size != want { // 5300 / (2 * 500) / 0.7 = 7.6
		t.Errorf("size %s, want %s", j.size, want)
	}
}

func TestAManualChangeIsRespectedForAWhile(t *testing.T) {
	j := newFake(8, 5300)
	d := dynamic(t, nil)
	j.run(t, d, time.Hour)
	j.last = Change{At: j.now, From: j.size, To: size(20), Outside: true}
	j.set(size(20))
	changes := j.run(t, d, time.Hour)
	if len(changes) != 1 || changes[0].At.Sub(j.last.At) > 0 && changes[0].To.Copies > 9 {
		t.Fatalf("changes %v, want one back to what is needed", changes)
	}
	if after := changes[0].At.Sub(j.started.Add(time.Hour)); after < 10*time.Minute {
		t.Errorf("undone after %s, want at least the stable time", after)
	}
}

func TestCombinedKeepsTheMemoryOfItsParts(t *testing.T) {
	make := func() *Combined { return NewCombined(&wants{3}, dynamic(t, nil)) }
	j, p := newFake(8, 5300), make()
	j.run(t, p, time.Hour)
	b, err := p.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	again := make()
	if err := again.UnmarshalJSON(b); err != nil {
		t.Fatal(err)
	}
	in := Input{Now: j.now.Add(j.every), Current: j.size, Sample: j.step(), Last: j.last}
	if got, want := again.Want(in), p.Want(in); got.Why != want.Why || strings.Contains(got.Why, "not") || !slices.EqualFunc(got.Parts, want.Parts, func(a, b Want) bool { return a.Why == b.Why }) {
		t.Errorf("after a restart %+v, want %+v", got, want)
	}
}
