package audit

import (
	"context"
	"sync"
	"time"

	"github.com/onceflow/onceflow/internal/steady"
	"github.com/onceflow/onceflow/sink/driver"
)

// clockEvery is how long monotonic time stands for the store's clock before that is read again.
const clockEvery = time.Minute

// clock is a store's clock between two readings. IDs have its times, so that an auditor on another machine looks for a batch
// where it is. It is safe for concurrent use.
type clock struct {
	folder *Folder
	born   time.Time

	mu    sync.Mutex
	judge steady.Clock // a clock that steps for a moment would put batches where nobody looks
	at    time.Time
	read  time.Duration // when at was read, since born
}

func newClock(f *Folder) *clock {
	c := &clock{folder: f, born: time.Now()}
	if !driver.TraitsOf(f.store).FakeClock {
		c.judge.Limits = steady.Default
	}
	return c
}

// look reads the store's clock.
func (c *clock) look(ctx context.Context) error {
	reading, err := c.folder.now(ctx)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read = time.Since(c.born)
	c.at = c.judge.Read(reading, c.read, time.Now().UTC(), time.Time{}).At
	return nil
}

// now is the store's clock. due says that it should be read again.
func (c *clock) now() (at time.Time, due bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	passed := time.Since(c.born) - c.read
	return c.at.Add(passed), passed >= clockEvery
}
