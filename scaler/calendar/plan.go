package calendar

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/onceflow/onceflow/scaler"
)

// Rule gives a size to a part of the day.
type Rule struct {
	Name string `json:"name"`

	// Days are the weekdays, or Dates the days, on which the range starts. A rule with dates goes before one with
	// weekdays, so that a holiday needs no hole in the weekly plan.
	Days  Days   `json:"days,omitempty"`
	Dates []Date `json:"dates,omitempty"`

	// From until To is a range of the wall clock, To not included. If To is not after From, the range ends on the next
	// day: 18:00-02:00 on Friday ends on Saturday. 00:00-24:00 is the whole day.
	From Clock `json:"from"`
	To   Clock `json:"to"`

	Size scaler.Size `json:"size"`
}

// dated reports whether r goes before rules by weekday.
func (r Rule) dated() bool { return len(r.Dates) > 0 }

// startsOn reports whether r has a range that starts on the day.
func (r Rule) startsOn(day Date) bool {
	if !r.dated() {
		return r.Days.has(day.weekday())
	}
	for _, d := range r.Dates {
		if d.is(day) {
			return true
		}
	}
	return false
}

// span is the range that starts on the day.
func (r Rule) span(day Date, loc *time.Location) (from, to time.Time) {
	end := day
	if r.To <= r.From {
		end = day.add(1)
	}
	return instant(day, r.From, loc), instant(end, r.To, loc)
}

// covers reports whether t is in a range of r. One that starts on the day before t's can reach into it, and so can one of the
// next day, where clocks that fell back over midnight show the end of a day again.
func (r Rule) covers(t time.Time, loc *time.Location) bool {
	today := dateOf(t.In(loc))
	for _, day := range []Date{today.add(-1), today, today.add(1)} {
		if !r.startsOn(day) {
			continue
		}
		if from, to := r.span(day, loc); !t.Before(from) && t.Before(to) {
			return true
		}
	}
	return false
}

// Plan says which size a job has when. In JSON times of day are "18:00", days "mon-fri sun", dates "2026-11-27" or "12-24", and
// the lead is "10m".
type Plan struct {
	// Zone is the time zone of the rules, such as "Europe/Warsaw". Required; "UTC" is one. An image without zone files
	// needs the import of time/tzdata in its main.
	Zone string `json:"zone"`

	Rules []Rule `json:"rules"`

	// Otherwise is the size when no rule applies. If it has no copies, the rules must leave no gap.
	Otherwise scaler.Size `json:"otherwise,omitzero"`

	// Lead is how much earlier a larger size is there, so that copies are warm when the rush begins. A smaller size
	// always comes at its time.
	Lead time.Duration `json:"-"`
}

// find is the rule that applies at t; nil is none.
func (c *Plan) find(t time.Time, loc *time.Location) *Rule {
	var found *Rule
	for i := range c.Rules {
		if r := &c.Rules[i]; r.covers(t, loc) && (found == nil || r.dated() && !found.dated()) {
			found = r
		}
	}
	return found
}

// plain is a Plan without its methods; its lead is text.
type plain Plan

type jsonPlan struct {
	*plain
	Lead string `json:"lead,omitempty"`
}

// MarshalJSON writes the plan as UnmarshalJSON reads it.
func (c Plan) MarshalJSON() ([]byte, error) {
	return json.Marshal(jsonPlan{(*plain)(&c), c.Lead.String()})
}

// UnmarshalJSON reads a plan and refuses fields that it does not know, since a misspelled one would be a plan that
// nobody meant.
func (c *Plan) UnmarshalJSON(b []byte) error {
	*c = Plan{}
	in := jsonPlan{plain: (*plain)(c)}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return fmt.Errorf("scaler: calendar: %w", err)
	}
	if in.Lead == "" {
		return nil
	}
	lead, err := time.ParseDuration(in.Lead)
	if err != nil {
		return fmt.Errorf("scaler: calendar: lead %q is not a duration such as 10m", in.Lead)
	}
	c.Lead = lead
	return nil
}
