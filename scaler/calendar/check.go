package calendar

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/onceflow/onceflow/scaler"
)

const (
	minutesOfDay  = 24 * 60
	minutesOfWeek = 7 * minutesOfDay
)

// Check lists all faults of the plan at once: an unknown zone, rules that cannot be, ranges that overlap, and hours
// that no rule covers if there is no Otherwise. nil is a plan that New takes.
func (c *Plan) Check() error {
	var errs []error
	say := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("scaler: calendar: "+format, args...))
	}
	if _, err := c.location(); err != nil {
		say("%w", err)
	}
	if c.Lead < 0 || c.Lead > 24*time.Hour {
		say("lead %s is not between 0 and 24h", c.Lead)
	}
	if c.Otherwise != (scaler.Size{}) {
		for _, f := range c.Otherwise.Faults() {
			say("otherwise: %s", f)
		}
	}
	if len(c.Rules) == 0 && c.Otherwise.Copies == 0 {
		say("has no rules")
		return errors.Join(errs...)
	}
	sound := true
	for i, r := range c.Rules {
		for _, f := range r.faults() {
			say("%s: %s", label(i, r), f)
			sound = false
		}
	}
	if !sound { // ranges that make no sense have no overlaps that do
		return errors.Join(errs...)
	}
	for _, f := range slices.Concat(c.weeklyFaults(), c.datedFaults()) {
		say("%s", f)
	}
	return errors.Join(errs...)
}

func (c *Plan) location() (*time.Location, error) {
	if c.Zone == "" {
		return nil, errors.New(`zone is missing; UTC is one`)
	}
	loc, err := time.LoadLocation(c.Zone)
	if err != nil {
		return nil, fmt.Errorf("zone %q is unknown: %w", c.Zone, err)
	}
	return loc, nil
}

func label(i int, r Rule) string {
	if r.Name == "" {
		return fmt.Sprintf("rule %d", i+1)
	}
	return fmt.Sprintf("rule %q", r.Name)
}

func (r Rule) faults() []string {
	faults := r.Size.Faults()
	if r.From < 0 || r.From >= endOfDay {
		faults = append(faults, fmt.Sprintf("from %s is not a time of day from 00:00 to 23:59", r.From))
	}
	if r.To < 0 || r.To > endOfDay {
		faults = append(faults, fmt.Sprintf("to %s is not a time of day from 00:00 to 24:00", r.To))
	}
	if r.Days&^allDays != 0 {
		faults = append(faults, "has days that are not weekdays")
	}
	if r.Days != EveryDay && r.dated() {
		faults = append(faults, "has weekdays and dates; make two rules of it")
	}
	for _, d := range r.Dates {
		if !d.valid() {
			faults = append(faults, fmt.Sprintf("there is no %s", d))
		}
	}
	return faults
}

// weeklyFaults finds minutes of the week with two rules or none.
func (c *Plan) weeklyFaults() []string {
	cover := make([]string, minutesOfWeek) // what is wrong with each minute
	for m := range cover {
		var found []string
		for i, r := range c.Rules {
			if !r.dated() && r.coversMinute(m) {
				found = append(found, label(i, r))
			}
		}
		switch {
		case len(found) == 0 && c.Otherwise.Copies == 0:
			cover[m] = "no rule covers"
		case len(found) > 1:
			cover[m] = strings.Join(found, " and ") + " overlap on"
		}
	}
	return ranges(cover)
}

// coversMinute reports whether r covers a minute of the week, which begins on Sunday.
func (r Rule) coversMinute(m int) bool {
	for d := range time.Weekday(7) {
		if !r.Days.has(d) {
			continue
		}
		length := int(r.To - r.From)
		if length <= 0 {
			length += minutesOfDay
		}
		since := (m - int(d)*minutesOfDay - int(r.From) + minutesOfWeek) % minutesOfWeek
		if since < length {
			return true
		}
	}
	return false
}

// ranges joins minutes of a day with the same fault, and days with the same range, to one line each.
func ranges(cover []string) (faults []string) {
	days := map[string]Days{}
	var order []string
	for d := range time.Weekday(7) {
		day := cover[int(d)*minutesOfDay:][:minutesOfDay]
		for from := 0; from < minutesOfDay; {
			to := from + 1
			for to < minutesOfDay && day[to] == day[from] {
				to++
			}
			if day[from] != "" {
				line := fmt.Sprintf("%s %%s %s-%s", day[from], Clock(from), Clock(to))
				if days[line] == 0 {
					order = append(order, line)
				}
				days[line] |= On(d)
			}
			from = to
		}
	}
	for _, line := range order {
		faults = append(faults, fmt.Sprintf(line, days[line]))
	}
	return faults
}

// datedFaults finds days on which two rules with dates overlap.
func (c *Plan) datedFaults() (faults []string) {
	for i, a := range c.Rules {
		for j, b := range c.Rules[:i] {
			if day, ok := meet(a, b); ok {
				faults = append(faults, fmt.Sprintf("%s and %s overlap on %s", label(j, b), label(i, a), day))
			}
		}
	}
	return faults
}

func meet(a, b Rule) (Date, bool) {
	for _, d := range a.Dates {
		for _, e := range b.Dates {
			for _, day := range d.years(e.Year) {
				from, to := a.span(day, time.UTC)
				for _, n := range []int{-1, 0, 1} {
					other := day.add(n)
					if !e.is(other) {
						continue
					}
					if f, t := b.span(other, time.UTC); from.Before(t) && f.Before(to) {
						return day, true
					}
				}
			}
		}
	}
	return Date{}, false
}

// years are the days that d means, as far as they can meet a date of the given year.
func (d Date) years(other int) (days []Date) {
	switch {
	case d.Year != 0:
		return []Date{d}
	case other == 0:
		other = 2000 // a leap year, and 1999 and 2001 are none
	}
	for y := other - 1; y <= other+1; y++ {
		if day := (Date{y, d.Month, d.Day}); day.valid() {
			days = append(days, day)
		}
	}
	return days
}
