package sim

import "time"

// storeClock is the store's clock. In some runs it steps by a day now and then.
type storeClock struct {
	sched *scheduler
	steps bool

	off  time.Duration
	ends time.Time // of the newest step
}

func (c *storeClock) now() time.Time { return c.sched.now.Add(c.off) }

// happen lets the clock step, and back a while later.
func (c *storeClock) happen() {
	s := c.sched
	switch {
	case c.off != 0 && !s.now.Before(c.ends):
		c.off = 0
		s.logf("the store's clock is back")
	case c.steps && c.off == 0 && s.now.Sub(c.ends) > 2*stepPersists && s.chance(0.01):
		c.off, c.ends = 24*time.Hour, s.now.Add(s.upTo(stepLasts))
		if s.chance(0.3) {
			c.off = -c.off
		}
		s.logf("the store's clock steps by %s", c.off)
	}
}
