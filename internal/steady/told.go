package steady

import (
	"sync"
	"time"
)

// Told is a server's clock as its last answer told it. What has passed since is measured by monotonic time, from after the
// answer, so it is at or before the server's. The zero value knows nothing. It is safe for concurrent use.
type Told struct {
	mu       sync.Mutex
	told, at time.Time
}

// Hear takes in what an answer told; the zero time is nothing.
func (c *Told) Hear(t time.Time) {
	if t.IsZero() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told, c.at = t.UTC(), time.Now()
}

// Now is the server's clock. It is zero before an answer has told it.
func (c *Told) Now() time.Time {
	now, _ := c.Fresh()
	return now
}

// Fresh is Now, and whether an answer told it less than a minute ago.
func (c *Told) Fresh() (now time.Time, fresh bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.told.IsZero() {
		return time.Time{}, false
	}
	ago := time.Since(c.at)
	return c.told.Add(ago), ago < time.Minute
}
