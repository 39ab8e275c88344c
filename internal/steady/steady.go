// Package steady judges a store's clock, so that a clock that steps is not believed at once. A person, a hypervisor or a
// wrong time server may set a machine's clock, and set it back a moment later; but what was decided by it cannot be taken
// back.
package steady

import (
	"sync"
	"time"
)

// Limits are what a Clock puts up with.
type Limits struct {
	Step    time.Duration // between what a clock says and what it should say by monotonic time
	Persist time.Duration // of monotonic time at the new offset, after which a step is believed
	Apart   time.Duration // between the store's clock and the machine's, for the first reading
}

// Default has room for a clock that is corrected in steps of seconds, and for replies that take as long. Time zones do not
// matter: clocks are in UTC.
var Default = Limits{Step: time.Minute, Persist: 10 * time.Minute, Apart: time.Hour}

// Clock judges readings of a store's clock. Its zero value has no limits and believes everything. It is safe for concurrent
// use.
type Clock struct {
	Limits Limits

	mu       sync.Mutex
	believed mark // the last reading that was believed
	known    bool // there is one, or the machine's clock stands for it
	doubted  mark // the last one that was not
	since    time.Duration
	doubting bool
}

// mark is a reading and the monotonic time at which it was taken.
type mark struct {
	at   time.Time
	mono time.Duration
}

func (m mark) now(mono time.Duration) time.Time { return m.at.Add(mono - m.mono) }

// Time is what is known after a reading.
type Time struct {
	// At is the time that decides what has passed. While the clock is in doubt it is the earlier one, since a time that is
	// too early does no harm.
	At time.Time

	// Latest is the latest time that it may be. What is after it lies in the future, whichever clock is right.
	Latest time.Time

	// Doubt says that the reading is not believed. Expected is what it should be.
	Doubt    bool
	Expected time.Time
}

// Read takes in a reading at a monotonic time. machine is this machine's clock, and newest a time that others have read
// from the store's clock before. Both count only for the first reading, when nothing is known of the store's clock.
func (c *Clock) Read(reading time.Time, mono time.Duration, machine, newest time.Time) Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.Limits == (Limits{}) {
		return Time{At: reading, Latest: reading}
	}
	tolerance := c.Limits.Step
	if !c.known {
		c.believed, tolerance, c.known = mark{machine, mono}, c.Limits.Apart, true
		if newest.After(machine) {
			c.believed.at = newest
		}
		if far := reading.Sub(machine); far >= -c.Limits.Apart && far <= c.Limits.Apart && !reading.Before(newest.Add(-c.Limits.Step)) {
			c.believed.at = reading
		}
	}
	expected := c.believed.now(mono)
	if near(reading, expected, tolerance) || c.persists(reading, mono) {
		c.believed, c.doubting = mark{reading, mono}, false
		return Time{At: reading, Latest: reading}
	}
	t := Time{At: reading, Latest: expected, Doubt: true, Expected: expected}
	if expected.Before(reading) {
		t.At, t.Latest = expected, reading
	}
	return t
}

// persists notes an unexpected reading, and reports whether the clock has gone on from there for long enough. Readings that
// are far apart may come from two steps.
func (c *Clock) persists(reading time.Time, mono time.Duration) bool {
	if !c.doubting || !near(reading, c.doubted.now(mono), c.Limits.Step) || mono-c.doubted.mono > c.Limits.Persist/2 {
		c.doubting, c.since = true, mono
	}
	c.doubted = mark{reading, mono}
	return mono-c.since >= c.Limits.Persist
}

func near(a, b time.Time, d time.Duration) bool {
	x := a.Sub(b)
	return -d <= x && x <= d
}
