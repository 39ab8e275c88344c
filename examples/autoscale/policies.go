package main

import (
	"math"
	"time"

	"github.com/onceflow/onceflow/scaler"
	"github.com/onceflow/onceflow/scaler/calendar"
	"github.com/onceflow/onceflow/scaler/dynamic"
)

// lead is how early the calendar's copies are ordered.
const lead = 5 * time.Minute

func rule(name string, from, to, copies int) calendar.Rule {
	return calendar.Rule{Name: name, From: calendar.At(from, 0), To: calendar.At(to, 0), Size: scaler.Size{Copies: copies}}
}

// planned is a calendar that is meant to do alone: each part of the day has what its greatest load needs, and some room.
func planned(t trace) calendar.Plan {
	if t.even {
		return calendar.Plan{Zone: "UTC", Rules: []calendar.Rule{rule("always", 0, 24, 9)}}
	}
	return calendar.Plan{Zone: "UTC", Lead: lead, Rules: []calendar.Rule{
		rule("night", 2, 6, 8), rule("day", 6, 17, 9), rule("rush", 17, 2, 17),
	}}
}

// floor is the calendar below the measurements: what each part of the day needs at the least.
func floor(t trace) calendar.Plan {
	if t.even {
		return calendar.Plan{Zone: "UTC", Rules: []calendar.Rule{rule("always", 0, 24, 3)}}
	}
	return calendar.Plan{Zone: "UTC", Lead: lead, Rules: []calendar.Rule{
		rule("night", 2, 7, 3), rule("day", 7, 18, 5), rule("rush", 18, 1, 12), rule("late", 1, 2, 8),
	}}
}

// contender is a policy of the comparison.
type contender struct {
	name string
	util float64 // at which it begins, so that its first step is not a mere arrival
	make func(t trace) (scaler.Policy, error)
}

const (
	// tight is the default of the package for the goal of five minutes: what a burst brings too much is worked off long
	// before that is reached.
	tight = 0.95

	// roomy is what it takes for a goal of less than a minute.
	roomy = 0.7

	// usual is the threshold of the usual rule on lag: two minutes' work of a copy.
	usual = 120 * copyRate
)

// options are the defaults, but for a utilization that is not 0.
func options(utilization float64) *dynamic.Options {
	return &dynamic.Options{Utilization: utilization, Goal: goal}
}

func combined(t trace, o *dynamic.Options) (scaler.Policy, error) {
	s, err := calendar.New(floor(t))
	if err != nil {
		return nil, err
	}
	d, err := dynamic.New(o)
	return scaler.NewCombined(s, d), err
}

// contenders are the policies, in the order of the table.
func contenders() []contender {
	return []contender{
		{"static", 0.68, func(t trace) (scaler.Policy, error) { return calendar.New(planned(t)) }},
		{"dynamic", tight, func(trace) (scaler.Policy, error) { return dynamic.New(options(0)) }},
		{"combined", tight, func(t trace) (scaler.Policy, error) { return combined(t, options(0)) }},
		{"combined 0.7", roomy, func(t trace) (scaler.Policy, error) { return combined(t, options(roomy)) }},
		{"lag threshold", tight, func(trace) (scaler.Policy, error) { return &threshold{lag: usual}, nil }},
	}
}

// compare plays all contenders on a trace; the oracle comes first.
func compare(t trace) ([]result, error) {
	oracle, err := playPlan(t, plan(t))
	results := []result{oracle}
	for _, c := range contenders() {
		if err != nil {
			return nil, err
		}
		var p scaler.Policy
		if p, err = c.make(t); err != nil {
			return nil, err
		}
		var r result
		r, err = play(t, c.name, p, t.first(c.util))
		results = append(results, r)
	}
	return results, err
}

// first is how many copies there are at the beginning: enough for the first minutes, or for all of a load without a trend.
func (t trace) first(utilization float64) int {
	begin := t.load[:slot]
	if t.even {
		begin = t.load
	}
	sum := 0.0
	for _, l := range begin {
		sum += l
	}
	return int(math.Ceil(sum / float64(len(begin)) / copyRate / utilization))
}
