package service

import (
	"context"
	"sync"
	"time"

	"github.com/onceflow/onceflow/internal/retry"
	"github.com/onceflow/onceflow/internal/when"
)

const (
	// MinPoll is the least time between reads of a shard: the service allows five a second.
	MinPoll = 200 * time.Millisecond

	shardBytes = 2 << 20          // a second: what all pollers of a shard may read
	MaxPace    = 10 * time.Second // between reads, however often we are refused
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
	at := when.Later(now, p.next)
	p.next = at.Add(p.gap)
	p.mu.Unlock()
	return retry.Sleep(ctx, at.Sub(now), nil)
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
	p.next = when.Later(p.next, time.Now().Add(time.Duration(n)*time.Second/shardBytes))
}

// Refused notes that the service had enough.
func (p *Pace) Refused() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gap = min(MaxPace, 2*max(p.gap, MinPoll))
	p.next = time.Now().Add(retry.Around(p.gap))
}

// firstPause is the pause after the first failure in a row. The longest is MaxPace.
const firstPause = 100 * time.Millisecond

// Again is a loop whose pauses suit the service.
func Again(more func(err error) bool) retry.Loop {
	return retry.Loop{First: firstPause, Most: MaxPace, Again: func(_ int, err error) bool { return more(err) }}
}

// Backoff waits after n failures in a row, for at most most.
func Backoff(ctx context.Context, n int, most time.Duration) error {
	return retry.Wait(ctx, min(retry.Pause(firstPause, MaxPace, n), most))
}
