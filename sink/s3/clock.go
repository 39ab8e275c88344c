package s3

import (
	"sync"
	"time"
)

// serverClock remembers what the store's clock said, so that asking costs a request only now and then. The time that has
// passed since is measured by the monotonic clock, from after the answer: the result is at or before the store's time.
type serverClock struct {
	mu     sync.Mutex
	server time.Time
	asked  time.Time
}

func (c *serverClock) set(server time.Time) {
	if server.IsZero() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.server, c.asked = server.UTC(), time.Now()
}

func (c *serverClock) get() (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	since := time.Since(c.asked)
	return c.server.Add(since), !c.server.IsZero() && since < time.Minute
}
