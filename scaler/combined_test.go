package scaler

import (
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
