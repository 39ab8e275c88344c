// Package buckets has what the shared stores of IDs know about the buckets of their claims: which have ended, which the
// server was told of, and whether claims that are still needed may have outlived their time to live.
//
// dedup/redis, a module of its own, uses it: whoever changes it releases both together.
package buckets

import (
	"cmp"
	"fmt"
	"time"

	"github.com/onceflow/onceflow/dedup"
)

// Buckets are those of one handle on a table. They are not safe for concurrent use.
type Buckets struct {
	space dedup.Space
	ttl   time.Duration
	bound int64
	begun map[int64]bool // by their ends
}

// Open starts with no bucket told and none ended: lowest is below the end of any. A ttl of 0 is twice the window.
func Open(s dedup.Space, ttl time.Duration, lowest int64) (*Buckets, error) {
	ttl = cmp.Or(ttl, 2*s.Window)
	if ttl <= s.Window {
		return nil, fmt.Errorf("TTL %s is not longer than the window %s (%w)", ttl, s.Window, dedup.ErrRefused)
	}
	return &Buckets{space: s, ttl: ttl, bound: lowest, begun: map[int64]bool{}}, nil
}

// TTL is for how long the server keeps a claim.
func (b *Buckets) TTL() time.Duration { return b.ttl }

// Bound is the lowest end of a bucket whose claims count.
func (b *Buckets) Bound() int64 { return b.bound }

// Told reports whether the server knows when the bucket began.
func (b *Buckets) Told(end int64) bool { return b.begun[end] }

// Tell notes that the server knows it.
func (b *Buckets) Tell(end int64) { b.begun[end] = true }

// Doubt forgets what the server was told, because it may not have heard it.
func (b *Buckets) Doubt() { clear(b.begun) }

// Expire ends the buckets before at, and reports whether the server is to be swept because of it.
func (b *Buckets) Expire(at time.Time) bool {
	bound := b.space.Bound(at)
	if bound <= b.bound {
		return false
	}
	b.bound = bound
	for end := range b.begun {
		if end < bound {
			delete(b.begun, end)
		}
	}
	return true
}

// Check fails if the oldest claim that is still needed is so old that the server may have dropped it, or does before the
// next sweep, for which it leaves a twentieth of the time to live. remedy says what to delete to go on in spite of it.
func (b *Buckets) Check(oldest time.Duration, remedy string) error {
	if oldest <= b.ttl-b.ttl/20 {
		return nil
	}
	return fmt.Errorf("%w: the oldest claim that is still needed is %s old, and claims live for %s. The job may be too late for its TTL:"+
		" a longer one helps before it comes to this. To go on and let copies of that time pass, delete %s", dedup.ErrForgotten, oldest, b.ttl, remedy)
}
