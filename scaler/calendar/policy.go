package calendar

import (
	"fmt"
	"time"

	"github.com/onceflow/onceflow/scaler"
)

// Policy follows a plan. It needs no signals.
type Policy struct {
	plan Plan
	zone *time.Location
}

// New refuses a plan with faults, all of them in one error; see Plan.Check.
func New(p Plan) (*Policy, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	loc, err := p.location()
	return &Policy{plan: p, zone: loc}, err
}

// Want gives the size of the rule that applies now, or of a larger one that begins within the lead.
func (p *Policy) Want(in scaler.Input) scaler.Want {
	size, r, at := p.best(in.Now, p.plan.Lead)
	why := p.explain(r)
	if ahead := at.Sub(in.Now); ahead > 0 {
		why += fmt.Sprintf(", which begins in %s", ahead.Round(time.Second))
	}
	return scaler.Want{Policy: "static", Size: size.Fill(in.Current), Why: why}
}

func (p *Policy) explain(r *Rule) string {
	if r == nil {
		return "no rule applies"
	}
	name := r.Name
	if name == "" {
		name = "unnamed"
	}
	return fmt.Sprintf("rule %s %s-%s %s", name, r.From, r.To, p.plan.Zone)
}

// Ahead is the largest size from t until t + d, lead included.
func (p *Policy) Ahead(t time.Time, d time.Duration) scaler.Size {
	size, _, _ := p.best(t, d+p.plan.Lead)
	return size
}

// best is the largest size within d, and the first moment of it.
func (p *Policy) best(t time.Time, d time.Duration) (size scaler.Size, rule *Rule, at time.Time) {
	moments := []time.Time{t}
	for _, r := range p.plan.Rules {
		last := dateOf(t.Add(d).In(p.zone))
		for day := dateOf(t.In(p.zone)).add(-1); ; day = day.add(1) {
			if r.startsOn(day) {
				from, to := r.span(day, p.zone)
				for _, m := range []time.Time{from, to} {
					if m.After(t) && !m.After(t.Add(d)) {
						moments = append(moments, m)
					}
				}
			}
			if day == last {
				break
			}
		}
	}
	for _, m := range moments {
		sz, r := p.plan.Otherwise, p.plan.find(m, p.zone)
		if r != nil {
			sz = r.Size
		}
		bigger := sz.Capacity() > size.Capacity()
		if at.IsZero() || bigger || sz.Capacity() == size.Capacity() && m.Before(at) {
			size, rule, at = sz, r, m
		}
	}
	return size, rule, at
}
