package service

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/onceflow/onceflow/internal/retry"
)

const (
	// MinPoll is the least time between reads of a shard: the service allows five a second.
	MinPoll = 200 * time.Millisecond

	shardBytes = 2 << 20          // a second: what all pollers of a shard may read
	maxPace    = 10 * time.Second // between reads, however often we are refused
)

// Pace spaces the reads of one shard so that they fit its limits, which all processes and applications that poll it share.
// Each refusal doubles the gap. Each success shortens it by a tenth, or by half if it is above a second, which five readers
// of a shard do not need. It is safe for concurrent use.
type Pace struct {
	mu   sync.Mutex
	gap  time.Duration
	next time.Time // no read before it
}

// Wait blocks until a read is due, and books it.
func (p *Pace) Wait(ctx context.Context) error {
	p.mu.Lock()
	now := time.Now()
	p.gap = max(p.gap, MinPoll)
	at := now
	if p.next.After(now) {
		at = p.next
	}
	p.next = at.Add(p.gap)
	p.mu.Unlock()
	return Pause(ctx, at.Sub(now), nil)
}

// Read notes that n bytes came, which keep the shard busy.
func (p *Pace) Read(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	less := p.gap / 10
	if p.gap > time.Second { // else the shard would be read rarely for minutes after a minute of refusals
		less = p.gap / 2
	}
	p.gap = max(MinPoll, p.gap-less)
	if busy := time.Now().Add(time.Duration(n) * time.Second / shardBytes); busy.After(p.next) {
		p.next = busy
	}
}

// Refused notes that the service had enough.
func (p *Pace) Refused() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gap = min(maxPace, 2*max(p.gap, MinPoll))
	p.next = time.Now().Add(Jitter(p.gap))
}

// Jitter is d with up to 20 % more or less, so that processes do not ask together.
func Jitter(d time.Duration) time.Duration {
	return d - d/5 + time.Duration(rand.Int64N(int64(d)*2/5+1))
}

// Pause waits for d, until wake gives something, or until ctx is done, which is the only error.
func Pause(ctx context.Context, d time.Duration, wake <-chan struct{}) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-wake:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Backoff is how long to wait after n failures in a row.
func Backoff(n int) time.Duration {
	return Jitter(retry.Pause(100*time.Millisecond, maxPace, n+1))
}
