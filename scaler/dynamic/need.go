package dynamic

import (
	"fmt"
	"math"
	"time"

	"github.com/onceflow/onceflow/scaler"
)

// need is the job's situation in figures.
type need struct {
	load      float64 // records a second, the greater of the window's mean and that of its end
	rate      float64 // true rate of one copy
	lag       float64 // records
	delay     float64 // seconds; unknown if neither lag nor delay is
	use       float64 // utilization of the copies there are
	predicted float64 // delay when the next step could help
	steady    float64 // copies for the load at the target utilization
	most      float64 // the same for the greatest load of the stable time, and for what noise may add
	least     float64 // copies for the least load of the stable time at the high utilization, less noise
	whole     bool    // the stable time was seen as a whole
	calm      bool    // nothing waited and nothing was changed in the stable time
}

const (
	// slopeCap bounds how far the growth of the load is extrapolated.
	slopeCap = 0.25

	// chances is how many standard errors of a mean are taken for chance, and leastChance is the least of that as a share.
	chances, leastChance = 2.5, 0.02
)

// weigh fills in the figures.
func (p *Policy) weigh(in scaler.Input, now *observation) need {
	seen := p.state.Seen
	n := need{rate: p.state.Rate * coresOf(scaler.Size{Cores: max(0, in.Floor.Cores)}.Fill(in.Current)), lag: now.Lag, delay: now.Delay}
	n.load = max(now.Load, seen.since(in.Now.Add(-p.o.Window/3)).arrival())
	copies := float64(in.Current.Copies)
	n.use = n.load / (n.rate * copies)
	horizon := (p.pause() + p.o.Window).Seconds()
	n.predicted = max(0, n.delay) + (n.use-1)*horizon
	n.steady = n.load / (n.rate * p.o.Utilization)

	start := in.Now.Add(-p.stable())
	// A policy that has just begun knows too little of the noise.
	n.whole = seen.spans(start, in.Now, loadOf) && !seen[0].At.After(in.Now.Add(-2*p.stable()))
	stable := seen.since(start)
	// What chance can do to the mean of a window makes no step, in either direction.
	chance := 1 + max(leastChance, chances*seen.noise(len(seen.since(in.Now.Add(-p.o.Window)))))
	n.most = stable.most(loadOf) * chance / (n.rate * p.o.Utilization)
	n.least = stable.least(loadOf) / chance / (n.rate * p.o.High)
	// The pause of a step makes a delay of its own, which is no sign of too few copies.
	n.calm = !in.Last.At.After(start) && seen.spans(start, in.Now, delayOf) && stable.most(delayOf) <= max(p.o.Normal, 2*p.pause()).Seconds()
	return n
}

// up is how many copies a step up should reach: for the load as it grows, and for the backlog, to which the pause of the
// step itself adds.
func (p *Policy) up(in scaler.Input, n need) int {
	slope, _ := p.state.Seen.since(in.Now.Add(-p.stable())).line(loadOf)
	growth := slope * p.stable().Seconds()
	load := n.load + min(max(0, growth), slopeCap*n.load)
	lag := max(0, n.lag) + n.load*p.pause().Seconds()
	backlog := max(0, lag-n.load*p.o.Normal.Seconds())
	return ceil(load/(n.rate*p.o.Utilization) + backlog/(n.rate*p.o.CatchUp.Seconds()))
}

// decide turns figures into a size.
func (p *Policy) decide(in scaler.Input, n need) scaler.Want {
	current := in.Current.Copies
	w := scaler.Want{Policy: "dynamic", Size: in.Current}
	figures := fmt.Sprintf("arrival %.4g/s at %.4g/s a copy: %.3g copies at %.2g", n.load, n.rate, n.steady, p.o.Utilization)
	if n.delay >= 0 {
		figures += fmt.Sprintf(", delay %s, expected %s", seconds(n.delay), seconds(max(0, n.predicted)))
	}
	urgent := n.delay >= 0 && n.predicted > p.o.Goal.Seconds()/2
	high := n.whole && n.least > float64(current)
	to, why := current, "enough"
	switch {
	case urgent:
		to, why = max(p.up(in, n), current), "the delay would pass half of its goal"
	case high:
		to, why = max(p.up(in, n), current+1), fmt.Sprintf("utilization above %.2g for %s", p.o.High, p.stable())
	case n.whole && n.calm:
		if lower := max(1, ceil(n.most)); current-lower >= max(1, ceil(p.o.MinDown*float64(current))) {
			to, why = lower, fmt.Sprintf("less was enough for %s", p.stable())
		}
	}
	to, capped := p.shape(in, to)
	switch {
	case to == current:
		return keep(w, why, capped, figures, to)
	case to > current && in.Now.Before(p.state.Blocked):
		w.Hold = true
		w.Why = fmt.Sprintf("no step up before %s: %s; %s", p.state.Blocked.UTC().Format(time.TimeOnly), p.state.Useless, figures)
		return w
	case to > current && !p.state.Step.At.IsZero() && !p.state.Step.Judged:
		w.Hold = true
		w.Why = "it is not known yet whether the last step helps; " + figures
		return w
	case !urgent && p.o.HourBorders && in.Now.Minute() >= hourBorder:
		w.Why = fmt.Sprintf("%d copies wait for the border of the hour: %s; %s", to, why, figures)
		return w
	}
	w.Size.Copies = to
	w.Why = why + capped + "; " + figures
	return w
}

// hourBorder is how many minutes of an hour are its border.
const hourBorder = 10

func keep(w scaler.Want, why, capped, figures string, to int) scaler.Want {
	if capped != "" {
		why = fmt.Sprintf("%s, and %d copies is all there can be%s", why, to, capped)
	}
	w.Why = why + "; " + figures
	return w
}

// shape bounds a step, and caps or rounds it by the number of partitions.
func (p *Policy) shape(in scaler.Input, to int) (int, string) {
	current, why := in.Current.Copies, ""
	to = max(to, 1)
	if to == current {
		return to, ""
	}
	if p.o.MaxUp > 0 && to > current+p.o.MaxUp {
		to, why = current+p.o.MaxUp, fmt.Sprintf(" (a step is %d copies up at most)", p.o.MaxUp)
	}
	if p.o.MaxDown > 0 && to < current-p.o.MaxDown {
		to, why = current-p.o.MaxDown, fmt.Sprintf(" (a step is %d copies down at most)", p.o.MaxDown)
	}
	partitions := int(in.Sample.Partitions.Number)
	if !in.Sample.Partitions.Known() || partitions < 1 {
		return to, why
	}
	if to > partitions {
		to, why = max(partitions, min(to, current)), fmt.Sprintf(" (there are %d partitions)", partitions)
	}
	if p.o.Even {
		for to < partitions && partitions%to != 0 {
			to++
		}
	}
	return to, why
}

func seconds(s float64) time.Duration { return duration(math.Round(s)) }

// duration is a number of seconds, at most a hundred years; what is no number is 0. Go converts a number that does not fit, and
// NaN, in a way that depends on the processor.
func duration(seconds float64) time.Duration {
	const most = 100 * 365 * 24 * 3600
	if !(math.Abs(seconds) > 0) {
		return 0
	}
	return time.Duration(max(-most, min(seconds, most)) * float64(time.Second))
}
