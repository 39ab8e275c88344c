// Package eventclock tells how far event time has got in one partition, even if clocks of its writers are wrong.
//
// A time that is close to the clock moves it. A time far ahead is a jump, which other records must confirm before it
// counts. So one odd record, or a minority of them, does not make all others late. docs/protocol.md, section 7, has the
// rules.
package eventclock

import (
	"time"
)

// Rule is what a clock takes for a jump.
type Rule struct {
	Near    time.Duration // a time at most so far ahead of the clock moves it at once
	Records int           // so many more records beyond that than not confirm a jump
}

// Default is the rule of every job. Five minutes are more than the disorder of one log, where producers wait seconds for a
// batch. They are less than what hours wait for stragglers by default, so a clock that is wrong by that much makes no event
// late that was on time. Sixteen records are more than an odd one brings with it, and come soon where time has gone on.
var Default = Rule{Near: 5 * time.Minute, Records: 16}

// Clock is the clock of a partition. The zero Clock has not begun: any first time is far ahead of it.
type Clock struct {
	MaxEventTime time.Time
	Jump         Jump
}

// Jump is a time far ahead of the clock that waits to be confirmed. The zero Jump is none.
type Jump struct {
	To      time.Time // the smallest time that was far ahead: where the clock goes
	Newest  time.Time // the greatest
	Records int       // that were far ahead, less those that were not
}

// Read takes in the times of the oldest and the newest event of a new record. now is the store's clock, beyond which no
// record moves the clock; zero is no bound. It reports whether anything changed.
func (c *Clock) Read(r *Rule, oldest, newest, now time.Time) bool {
	switch {
	case newest.Sub(c.MaxEventTime) <= r.Near:
		oldest = newest
	case oldest.Sub(c.MaxEventTime) > r.Near:
		c.support(r, oldest, newest, now)
		return true
	}
	moved := c.move(oldest, now)
	if c.Jump.Records == 0 {
		return moved
	}
	if c.Jump.Records--; c.Jump.Records == 0 {
		c.Jump = Jump{}
	}
	return true
}

// Again is Read for a record that is read again. It counted the first time, so it neither confirms nor contradicts a jump.
func (c *Clock) Again(r *Rule, oldest, newest, now time.Time) bool {
	if newest.Sub(c.MaxEventTime) <= r.Near {
		return c.move(newest, now)
	}
	return oldest.Sub(c.MaxEventTime) <= r.Near && c.move(oldest, now)
}

func (c *Clock) move(to, now time.Time) bool {
	if !to.After(c.MaxEventTime) {
		return false
	}
	if !now.IsZero() && to.After(now) {
		if to = now; !to.After(c.MaxEventTime) {
			return false
		}
	}
	c.MaxEventTime = to
	return true
}

func (c *Clock) support(r *Rule, oldest, newest, now time.Time) {
	j := &c.Jump
	if j.Records == 0 || oldest.Before(j.To) {
		j.To = oldest
	}
	if newest.After(j.Newest) {
		j.Newest = newest
	}
	if j.Records++; j.Records >= r.Records {
		to := j.To
		*j = Jump{}
		c.move(to, now)
	}
}

// Prove takes in that all records up to the time at are read.
func (c *Clock) Prove(at time.Time) bool {
	if !at.After(c.MaxEventTime) {
		return false
	}
	c.MaxEventTime, c.Jump = at, Jump{}
	return true
}

// Confirm ends a jump that nothing contradicts any more: the clock goes to the newest time that was read.
func (c *Clock) Confirm(now time.Time) bool {
	if c.Jump.Records == 0 {
		return false
	}
	newest := c.Jump.Newest
	c.Jump = Jump{}
	c.move(newest, now)
	return true
}
