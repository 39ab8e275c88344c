package scaler

import (
	"fmt"
	"math"
	"time"
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
func (d *Dynamic) weigh(in Input, now *observation) need {
	seen := d.state.Seen
	n := need{rate: d.state.Rate * coresOf(larger(Size{Cores: in.Floor.Cores}, Size{}).fill(in.Current)), lag: now.Lag, delay: now.Delay}
	n.load = max(now.Load, seen.since(in.Now.Add(-d.o.Window/3)).arrival())
	copies := float64(in.Current.Copies)
	n.use = n.load / (n.rate * copies)
	horizon := (d.pause() + d.o.Window).Seconds()
	n.predicted = max(0, n.delay) + (n.use-1)*horizon
	n.steady = n.load / (n.rate * d.o.Utilization)

	start := in.Now.Add(-d.stable())
	// A policy that has just begun knows too little of the noise.
	n.whole = seen.spans(start, in.Now, loadOf) && !seen[0].At.After(in.Now.Add(-2*d.stable()))
	stable := seen.since(start)
	// What chance can do to the mean of a window makes no step, in either direction.
	chance := 1 + max(leastChance, chances*seen.noise(len(seen.since(in.Now.Add(-d.o.Window)))))
	n.most = stable.most(loadOf) * chance / (n.rate * d.o.Utilization)
	n.least = stable.least(loadOf) / chance / (n.rate * d.o.High)
	// The pause of a step makes a delay of its own, which is no sign of too few copies.
	n.calm = !in.Last.At.After(start) && seen.spans(start, in.Now, delayOf) && stable.most(delayOf) <= max(d.o.Normal, 2*d.pause()).Seconds()
	return n
}

// up is how many copies a step up should reach: for the load as it grows, and for the backlog, to which the pause of the
// step itself adds.
func (d *Dynamic) up(in Input, n need) int {
	slope, _ := d.state.Seen.since(in.Now.Add(-d.stable())).line(loadOf)
	growth := slope * d.stable().Seconds()
	load := n.load + min(max(0, growth), slopeCap*n.load)
	lag := max(0, n.lag) + n.load*d.pause().Seconds()
	backlog := max(0, lag-n.load*d.o.Normal.Seconds())
	return ceil(load/(n.rate*d.o.Utilization) + backlog/(n.rate*d.o.CatchUp.Seconds()))
}

// decide turns figures into a size.
func (d *Dynamic) decide(in Input, n need) Want {
	current := in.Current.Copies
	w := Want{Policy: "dynamic", Size: in.Current}
	figures := fmt.Sprintf("arrival %.4g/s at %.4g/s a copy: %.3g copies at %.2g", n.load, n.rate, n.steady, d.o.Utilization)
	if n.delay >= 0 {
		figures += fmt.Sprintf(", delay %s, expected %s", seconds(n.delay), seconds(max(0, n.predicted)))
	}
	urgent := n.delay >= 0 && n.predicted > d.o.Goal.Seconds()/2
	high := n.whole && n.least > float64(current)
	to, why := current, "enough"
	switch {
	case urgent:
		to, why = max(d.up(in, n), current), "the delay would pass half of its goal"
	case high:
		to, why = max(d.up(in, n), current+1), fmt.Sprintf("utilization above %.2g for %s", d.o.High, d.stable())
	case n.whole && n.calm:
		if lower := max(1, ceil(n.most)); current-lower >= max(1, ceil(d.o.MinDown*float64(current))) {
			to, why = lower, fmt.Sprintf("less was enough for %s", d.stable())
		}
	}
	to, capped := d.shape(in, to)
	switch {
	case to == current:
		return keep(w, why, capped, figures, to)
	case to > current && in.Now.Before(d.state.Blocked):
		w.Hold = true
		w.Why = fmt.Sprintf("no step up before %s: %s; %s", d.state.Blocked.UTC().Format(time.TimeOnly), d.state.Useless, figures)
		return w
	case to > current && !d.state.Step.At.IsZero() && !d.state.Step.Judged:
		w.Hold = true
		w.Why = "it is not known yet whether the last step helps; " + figures
		return w
	case !urgent && d.o.HourBorders && in.Now.Minute() >= hourBorder:
		w.Why = fmt.Sprintf("%d copies wait for the border of the hour: %s; %s", to, why, figures)
		return w
	}
	w.Size.Copies = to
	w.Why = why + capped + "; " + figures
	return w
}

// hourBorder is how many minutes of an hour are its border.
const hourBorder = 10

func keep(w Want, why, capped, figures string, to int) Want {
	if capped != "" {
		why = fmt.Sprintf("%s, and %d copies is all there can be%s", why, to, capped)
	}
	w.Why = why + "; " + figures
	return w
}

// shape bounds a step, and caps or rounds it by the number of partitions.
func (d *Dynamic) shape(in Input, to int) (int, string) {
	current, why := in.Current.Copies, ""
	to = max(to, 1)
	if to == current {
		return to, ""
	}
	if d.o.MaxUp > 0 && to > current+d.o.MaxUp {
		to, why = current+d.o.MaxUp, fmt.Sprintf(" (a step is %d copies up at most)", d.o.MaxUp)
	}
	if d.o.MaxDown > 0 && to < current-d.o.MaxDown {
		to, why = current-d.o.MaxDown, fmt.Sprintf(" (a step is %d copies down at most)", d.o.MaxDown)
	}
	partitions := int(in.Sample.Partitions.Number)
	if !in.Sample.Partitions.Known() || partitions < 1 {
		return to, why
	}
	if to > partitions {
		to, why = max(partitions, min(to, current)), fmt.Sprintf(" (there are %d partitions)", partitions)
	}
	if d.o.Even {
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
