package dynamodb

import (
	"sync"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
)

// clock estimates the service's clock, by which the service deletes claims: the last answer's time, plus monotonic time
// since. Until an answer tells a time, it is the machine's clock. It is safe for concurrent use.
type clock struct {
	mu   sync.Mutex
	told time.Time // by the service
	at   time.Time // when it told it
}

// hear takes in an answer.
func (c *clock) hear(m middleware.Metadata) {
	t, ok := awsmiddleware.GetServerTime(m)
	if !ok || t.IsZero() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told, c.at = t.Round(0), time.Now()
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.told.IsZero() {
		return time.Now()
	}
	return c.told.Add(time.Since(c.at))
}
