package when

import (
	"math"
	"testing"
	"time"
)

func TestTheZeroTimeIsNoneForFirst(t *testing.T) {
	a, b := time.Unix(1, 0), time.Unix(2, 0)
	for _, c := range []struct{ a, b, want time.Time }{{a, b, a}, {b, a, a}, {time.Time{}, b, b}, {b, time.Time{}, b}, {}} {
		if got := First(c.a, c.b); got != c.want {
			t.Errorf("of %s and %s: got %s, want %s", c.a, c.b, got, c.want)
		}
	}
	if Later(a, b) != b || Later(b, a) != b || Earlier(a, b) != a || Earlier(b, a) != a {
		t.Error("Later and Earlier want the later and the earlier, in any order")
	}
}

func TestTimesThatALedgerHoldsHaveHoursThatItHolds(t *testing.T) {
	for s, want := range map[int64]bool{
		math.MinInt64: false, math.MinInt64 + 1: false, first - 1: false, first: true, 0: true, end - 1: true, end: false,
		math.MaxInt64 - 1: false, math.MaxInt64: false, // here time.Time wraps around: it is before the year 1
	} {
		at := time.Unix(s, 0)
		if got := Fits(at); got != want {
			t.Errorf("second %d: got %v, want %v", s, got, want)
		}
		c := Clamp(at)
		if !Fits(c) || want && !c.Equal(at) {
			t.Errorf("second %d is clamped to %s", s, c)
		}
		for hour := time.Minute; hour <= 24*time.Hour; hour += time.Minute {
			start := c.UTC().Truncate(hour)
			if last := start.Add(hour); start.IsZero() || start.Year() < 1 || last.Year() > 9999 {
				t.Fatalf("second %d, hours of %s: from %s to %s", s, hour, start, last)
			}
		}
	}
}
