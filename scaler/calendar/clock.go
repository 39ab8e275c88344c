package calendar

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Clock is a time of day on the wall, in minutes after midnight: 0 to 24*60, where 24:00 is the end of the day.
type Clock int

const endOfDay Clock = 24 * 60

// At gives the Clock of an hour and a minute, such as At(18, 0).
func At(hour, minute int) Clock { return Clock(hour*60 + minute) }

// String gives "18:00".
func (c Clock) String() string { return fmt.Sprintf("%02d:%02d", int(c)/60, int(c)%60) }

// MarshalText gives "18:00".
func (c Clock) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads "18:00", from "00:00" to "24:00".
func (c *Clock) UnmarshalText(b []byte) error {
	hour, minute, ok := strings.Cut(string(b), ":")
	h, err1 := strconv.ParseUint(hour, 10, 8)
	m, err2 := strconv.ParseUint(minute, 10, 8)
	if !ok || err1 != nil || err2 != nil || m > 59 || At(int(h), int(m)) > endOfDay {
		return fmt.Errorf("scaler: %q is not a time of day such as 18:00", b)
	}
	*c = At(int(h), int(m))
	return nil
}

// instant is when the clocks of loc show c on a day. A time that they skip (spring) is the moment of the skip; a time that
// they show twice (autumn) is the first. Two rules that meet on the wall clock so meet in time on every day, and each
// moment belongs to one of them.
func instant(day Date, c Clock, loc *time.Location) time.Time {
	wall := time.Date(day.Year, day.Month, day.Day, 0, int(c), 0, 0, time.UTC)
	_, before := wall.Add(-24 * time.Hour).In(loc).Zone()
	_, after := wall.Add(24 * time.Hour).In(loc).Zone()
	var first time.Time
	for _, offset := range []int{before, after} {
		t := wall.Add(-time.Duration(offset) * time.Second).In(loc)
		if _, o := t.Zone(); o == offset && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	if !first.IsZero() {
		return first
	}
	skipped, _ := wall.Add(-time.Duration(before) * time.Second).In(loc).ZoneBounds()
	return skipped
}
