package scaler

import (
	"fmt"
	"time"
)

// Static follows a calendar. It needs no signals.
type Static struct {
	calendar Calendar
	zone     *time.Location
}

// NewStatic refuses a calendar with faults, all of them in one error; see Calendar.Check.
func NewStatic(c Calendar) (*Static, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	loc, err := c.location()
	return &Static{calendar: c, zone: loc}, err
}

// Want gives the size of the rule that applies now, or of a larger one that begins within the lead.
func (s *Static) Want(in Input) Want {
	size, r, at := s.best(in.Now, s.calendar.Lead)
	why := s.explain(r)
	if ahead := at.Sub(in.Now); ahead > 0 {
		why += fmt.Sprintf(", which begins in %s", ahead.Round(time.Second))
	}
	return Want{Policy: "static", Size: size.fill(in.Current), Why: why}
}

func (s *Static) explain(r *Rule) string {
	if r == nil {
		return "no rule applies"
	}
	name := r.Name
	if name == "" {
		name = "unnamed"
	}
	return fmt.Sprintf("rule %s %s-%s %s", name, r.From, r.To, s.calendar.Zone)
}

// Ahead is the largest size from t until t + d, lead included.
func (s *Static) Ahead(t time.Time, d time.Duration) Size {
	size, _, _ := s.best(t, d+s.calendar.Lead)
	return size
}

// best is the largest size within d, and the first moment of it.
func (s *Static) best(t time.Time, d time.Duration) (size Size, rule *Rule, at time.Time) {
	moments := []time.Time{t}
	for _, r := range s.calendar.Rules {
		last := dateOf(t.Add(d).In(s.zone))
		for day := dateOf(t.In(s.zone)).add(-1); ; day = day.add(1) {
			if r.startsOn(day) {
				from, to := r.span(day, s.zone)
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
		sz, r := s.calendar.Otherwise, s.calendar.find(m, s.zone)
		if r != nil {
			sz = r.Size
		}
		bigger := sz.capacity() > size.capacity()
		if at.IsZero() || bigger || sz.capacity() == size.capacity() && m.Before(at) {
			size, rule, at = sz, r, m
		}
	}
	return size, rule, at
}
