package calendar

import (
	"fmt"
	"strings"
	"time"
)

// Days is a set of weekdays. The zero value is every day.
type Days uint8

// The usual sets.
const (
	EveryDay Days = 0
	Weekdays Days = 1<<time.Monday | 1<<time.Tuesday | 1<<time.Wednesday | 1<<time.Thursday | 1<<time.Friday
	Weekend  Days = 1<<time.Saturday | 1<<time.Sunday
)

const allDays = Weekdays | Weekend

// On gives the set of some weekdays.
func On(days ...time.Weekday) (set Days) {
	for _, d := range days {
		set |= 1 << d
	}
	return set
}

func (d Days) has(w time.Weekday) bool { return d == EveryDay || d&(1<<w) != 0 }

var dayNames = [7]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// String gives "every day" or "mon tue fri".
func (d Days) String() string {
	if d == EveryDay || d&allDays == allDays {
		return "every day"
	}
	var names []string
	for i := range 7 {
		if w := (i + 1) % 7; d&(1<<w) != 0 {
			names = append(names, dayNames[w])
		}
	}
	return strings.Join(names, " ")
}

// MarshalText gives what String gives.
func (d Days) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads names and ranges such as "mon-fri sun", or "every day".
func (d *Days) UnmarshalText(b []byte) error {
	*d = EveryDay
	if string(b) == EveryDay.String() {
		return nil
	}
	for _, word := range strings.Fields(string(b)) {
		from, to, isRange := strings.Cut(strings.ToLower(word), "-")
		if !isRange {
			to = from
		}
		first, last := dayNumber(from), dayNumber(to)
		if first < 0 || last < 0 {
			return fmt.Errorf("scaler: %q are not weekdays such as mon-fri sun", b)
		}
		for w := first; ; w = (w + 1) % 7 {
			*d |= 1 << w
			if w == last {
				break
			}
		}
	}
	return nil
}

func dayNumber(name string) int {
	for i, n := range dayNames {
		if n == name {
			return i
		}
	}
	return -1
}
