// Package when compares times, and bounds those that come from outside: users' code, files, brokers and stores set them,
// and may set anything that fits into 64 bits.
package when

import "time"

// The ledger writes times as RFC 3339 does, and takes the zero time for none. So it can hold neither the first day of year
// 1, since the hour (of up to a day) that begins it is the zero time, nor what comes after the year 9999, where the end of
// an hour is a time as well. In seconds since 1970.
const (
	first = -62135596800 + 24*60*60 // 0001-01-02 00:00 UTC
	end   = 253402128000            // 9999-12-30 00:00 UTC
)

// Later returns the later of two times.
func Later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// Earlier returns the earlier of two times.
func Earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// First returns the earlier of two times of which the zero one is none.
func First(a, b time.Time) time.Time {
	if a.IsZero() || b.IsZero() {
		return Later(a, b)
	}
	return Earlier(a, b)
}

// Fits reports whether a ledger can hold t, and the bounds of its hour, whatever the length of hours. A time before or
// after what time.Time can compare is none either: only its seconds are looked at.
func Fits(t time.Time) bool {
	s := t.Unix()
	return first <= s && s < end
}

// Clamp returns t, or the nearest time that a ledger can hold.
func Clamp(t time.Time) time.Time {
	switch s := t.Unix(); {
	case s < first:
		return time.Unix(first, 0).UTC()
	case s >= end:
		return time.Unix(end-1, 0).UTC()
	}
	return t
}
