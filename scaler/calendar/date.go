package calendar

import (
	"fmt"
	"time"
)

// Date is a day of the calendar. A zero year is every year; the 29th of February then comes in leap years only.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// dateOf is the day that the clocks of t's location show.
func dateOf(t time.Time) Date {
	y, m, d := t.Date()
	return Date{y, m, d}
}

// String gives "2026-11-27", or "12-24" for every year.
func (d Date) String() string {
	if d.Year == 0 {
		return fmt.Sprintf("%02d-%02d", int(d.Month), d.Day)
	}
	return fmt.Sprintf("%04d-%02d-%02d", d.Year, int(d.Month), d.Day)
}

// MarshalText gives what String gives.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads "2026-11-27" or "12-24".
func (d *Date) UnmarshalText(b []byte) error {
	layout, text, year := "2006-01-02", string(b), 0
	if len(text) == len("12-24") {
		text, year = "2000-"+text, -2000 // a leap year, so that 02-29 is a date
	}
	t, err := time.Parse(layout, text)
	if err != nil {
		return fmt.Errorf("scaler: %q is not a date such as 2026-11-27 or 12-24", b)
	}
	*d = Date{t.Year() + year, t.Month(), t.Day()}
	return nil
}

// valid reports whether there is such a day, in any year if d has none.
func (d Date) valid() bool {
	year := d.Year
	if year == 0 {
		year = 2000
	}
	t := time.Date(year, d.Month, d.Day, 0, 0, 0, 0, time.UTC)
	return t.Month() == d.Month && t.Day() == d.Day
}

// is reports whether d means the day.
func (d Date) is(day Date) bool {
	return d.Month == day.Month && d.Day == day.Day && (d.Year == 0 || d.Year == day.Year)
}

// add is the day n days later.
func (d Date) add(n int) Date {
	return dateOf(time.Date(d.Year, d.Month, d.Day+n, 12, 0, 0, 0, time.UTC))
}

func (d Date) weekday() time.Weekday {
	return time.Date(d.Year, d.Month, d.Day, 12, 0, 0, 0, time.UTC).Weekday()
}
