package dynamic

import "math"

const (
	// minBusy is the busy share below which the true rate is not derived from it: the quotient of two small numbers.
	minBusy = 0.1

	// minReadings is how many readings a window must have before its mean is believed.
	minReadings = 3

	// stallShare is the share of its true rate below which a job with a backlog is taken to stand still. What it does then
	// says nothing about what it can do.
	stallShare = 0.05
)

// measureRate moves the true rate of a core towards what the last window shows: records done per second of useful time
// (DS2, section 3.2). A copy with a backlog is busy all the time, so without a measured busy share only windows with a
// backlog tell; the others give a lower bound.
func (p *Policy) measureRate(h history) {
	var done, useful, floor, worked float64
	readings, n := 0, 0
	for i := range h {
		o := &h[i]
		if o.Settling || o.Done < 0 || o.Cores <= 0 || p.still(h, i) {
			continue
		}
		floor, worked, n = floor+o.Done, worked+o.Cores, n+1
		switch {
		case o.Busy >= minBusy:
			done, useful, readings = done+o.Done, useful+o.Cores*o.Busy, readings+1
		case o.Busy < 0 && o.Delay > p.o.Normal.Seconds():
			done, useful, readings = done+o.Done, useful+o.Cores, readings+1
		}
	}
	if readings >= minReadings && done > 0 {
		p.moveRate(done/useful, h)
	}
	if n >= minReadings && p.state.Rate > 0 {
		p.state.Rate = max(p.state.Rate, floor/worked)
	}
}

// still reports whether h[i] is one of several readings in a row without work. A single one is no stall: a job that
// reports its work when it commits does nothing in most readings and much in some, and its mean is right.
func (p *Policy) still(h history, i int) bool {
	idle := func(i int) bool {
		return i >= 0 && i < len(h) && h[i].Done >= 0 && h[i].Done <= stallShare*p.state.Rate*h[i].Cores
	}
	if !idle(i) {
		return false
	}
	from, to := i, i
	for idle(from - 1) {
		from--
	}
	for idle(to + 1) {
		to++
	}
	return to-from+1 >= minReadings
}

// moveRate is an exponential mean with the window as its time constant. One window moves it by a factor of two at most.
func (p *Policy) moveRate(measured float64, h history) {
	s := &p.state
	if !s.Measured {
		s.Rate, s.Measured = measured, true
		return
	}
	passed := p.o.Window
	if len(h) > 1 {
		passed = h[len(h)-1].At.Sub(h[len(h)-2].At)
	}
	weight := 1 - math.Exp(-passed.Seconds()/p.o.Window.Seconds())
	s.Rate += weight * (min(max(measured, s.Rate/2), s.Rate*2) - s.Rate)
}
