package main

import (
	"fmt"
	"math"
	"time"

	"github.com/onceflow/onceflow/scaler"
)

// threshold is the usual rule of KEDA with a HorizontalPodAutoscaler: copies = lag / threshold, polled every 30 seconds,
// with the autoscaler's defaults: no step within 10 % of the goal, up by the greater of 4 copies and 100 % at once, down to
// the greatest number wanted in the last 5 minutes.
type threshold struct {
	lag    float64 // records per copy
	wanted []wish
}

type wish struct {
	at     time.Time
	copies int
}

const (
	tolerance     = 0.1
	stabilization = 5 * time.Minute
)

func (p *threshold) Want(in scaler.Input) scaler.Want {
	current := in.Current.Copies
	w := scaler.Want{Policy: "threshold", Size: in.Current, Hold: true, Why: "lag is not known"}
	if !in.Sample.Lag.Known() {
		return w
	}
	w.Hold = false
	want := max(1, int(math.Ceil(in.Sample.Lag.Number/p.lag)))
	if ratio := in.Sample.Lag.Number / (p.lag * float64(current)); math.Abs(ratio-1) <= tolerance {
		want = current
	}
	p.wanted = append(p.wanted, wish{in.Now, want})
	for in.Now.Sub(p.wanted[0].at) > stabilization {
		p.wanted = p.wanted[1:]
	}
	if want < current {
		for _, earlier := range p.wanted {
			want = max(want, min(earlier.copies, current))
		}
	}
	w.Size.Copies = min(want, max(2*current, current+4), maxCopy)
	w.Why = fmt.Sprintf("lag %.0f", in.Sample.Lag.Number)
	return w
}
