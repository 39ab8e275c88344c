package main

import (
	"math"
	"math/rand/v2"
	"time"
)

const (
	copyRate = 1000.0 // records a second that a healthy copy can do
	maxCopy  = 24     // and so many partitions
)

// start is a Monday, far from any change of the clocks.
var start = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// trace is what happens to a job, second by second.
type trace struct {
	name, story string
	load        []float64                            // records that arrive in a second
	health      func(second int) float64             // what a copy can do, as a share of copyRate
	down        func(second int) bool                // the job does nothing
	blind       func(second int) (dead, absurd bool) // no measurements, or senseless ones
	excused     func(second int) bool                // nobody could keep the delay goal then; nil is never
	even        bool                                 // the load has no daily curve, and so the calendars have none
}

// daily is the load of an hour of the day in thousands of records a second: quiet at night, rush from 18:00 to 02:00.
var daily = [24]float64{12, 9.5, 6, 3.6, 2.8, 2.8, 3.2, 4, 5, 5.6, 6, 6.2, 6.3, 6.2, 6, 6.2, 6.8, 8, 11, 13, 14, 14.2, 13.8, 13}

// curve is the daily load at a second, smooth between the hours.
func curve(second int) float64 {
	hour, part := second/3600%24, float64(second%3600)/3600
	smooth := (1 - math.Cos(math.Pi*part)) / 2
	return copyRate * (daily[hour]*(1-smooth) + daily[(hour+1)%24]*smooth)
}

// ramp rises from 0 to 1 between two seconds.
func ramp(second, from, to int) float64 {
	return min(1, max(0, float64(second-from)/float64(to-from)))
}

// noisy makes a load of a mean: bursts that last about a minute, and grains of a second.
func noisy(hours int, seed uint64, bursts, grains float64, mean func(second int) float64) []float64 {
	r := rand.New(rand.NewPCG(seed, 8))
	keep := math.Exp(-1.0 / 60)
	load, burst := make([]float64, hours*3600), 0.0
	for s := range load {
		burst = keep*burst + math.Sqrt(1-keep*keep)*r.NormFloat64()
		load[s] = max(0, mean(s)*(1+bursts*burst+grains*r.NormFloat64()))
	}
	return load
}

func healthy(int) float64            { return 1 }
func up(int) bool                    { return false }
func sighted(int) (dead, crazy bool) { return false, false }

func makeTrace(name, story string, load []float64) trace {
	return trace{name: name, story: story, load: load, health: healthy, down: up, blind: sighted}
}

// traces are the cases of the comparison. They are the same on every machine.
func traces() []trace {
	const day = 24
	at := func(hour, minute int) int { return hour*3600 + minute*60 }
	plain := noisy(day, 1, 0.04, 0.1, curve)

	weekend := makeTrace("weekend", "a week; Saturday and Sunday have a third less, and their rush begins at 15:00",
		noisy(7*day, 2, 0.04, 0.1, func(s int) float64 {
			if s/86400 < 5 {
				return curve(s)
			}
			return 0.67 * max(curve(s), ramp(s%86400, at(14, 30), at(16, 0))*curve(at(20, 0))*ramp(86400-s%86400, 0, at(3, 0)))
		}))
	promotion := makeTrace("promotion", "from 11:00 two and a half times the load, within 6 minutes, for 90 minutes; nobody told",
		noisy(day, 3, 0.04, 0.1, func(s int) float64 {
			return curve(s) * (1 + 1.5*ramp(s, at(11, 0), at(11, 6))*(1-ramp(s, at(12, 30), at(12, 45))))
		}))
	outage := makeTrace("outage", "the job does nothing from 09:00 to 10:00, then catches up", plain)
	outage.down = func(s int) bool { return s >= at(9, 0) && s < at(10, 0) }
	outage.excused = func(s int) bool { return s >= at(9, 0) && s < at(10, 45) }
	leak := makeTrace("leak", "a slow leak: in a day a copy loses 40 % of its speed", noisy(day, 4, 0.04, 0.1, curve))
	leak.health = func(s int) float64 { return 1 - 0.4*float64(s)/86400 }
	noise := makeTrace("noise", "the daily curve with bursts of 12 % and grains of 40 %", noisy(day, 5, 0.12, 0.4, curve))
	missing := makeTrace("missing data", "no measurements at 05:00-06:00, 17:30-18:30 and 22:00-00:00; senseless ones at 10:00-11:00",
		noisy(day, 6, 0.04, 0.1, curve))
	missing.blind = func(s int) (bool, bool) {
		dead := s >= at(5, 0) && s < at(6, 0) || s >= at(17, 30) && s < at(18, 30) || s >= at(22, 0)
		return dead, s >= at(10, 0) && s < at(11, 0)
	}
	return []trace{
		makeTrace("daily", "a weekday with its rush from 18:00 to 02:00", plain),
		weekend, promotion, outage, leak, noise, missing, flat(7, 6.1),
	}
}

// flat is a load without any trend, of some thousands of records a second.
func flat(seed uint64, thousands float64) trace {
	t := makeTrace("flat noise", "6 hours of a flat load with bursts of 10 % and grains of 30 %",
		noisy(6, seed, 0.1, 0.3, func(int) float64 { return thousands * copyRate }))
	t.even = true
	return t
}
