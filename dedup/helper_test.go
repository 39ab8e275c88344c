package dedup_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/onceflow/onceflow/dedup"
	"github.com/onceflow/onceflow/dedup/deduptest"
	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// shared is the smallest shared store: a map under a lock.
type shared struct {
	mu   sync.Mutex
	err  error
	held map[sharedKey]sharedClaim
}

type (
	sharedKey struct {
		name string
		id   dedup.ID
	}
	sharedClaim struct {
		by     dedup.ID
		bucket int64
	}
)

func newShared() *shared { return &shared{held: map[sharedKey]sharedClaim{}} }

func (s *shared) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *shared) Open(_ context.Context, sp dedup.Space) (dedup.Table, error) {
	return &sharedTable{s, sp, -1 << 62}, nil
}

func (s *shared) Close() error { return nil }

type sharedTable struct {
	*shared
	space dedup.Space
	bound int64
}

func (t *sharedTable) Claim(_ context.Context, claims []dedup.Claim, won []bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil {
		return t.err
	}
	for i, c := range claims {
		k := sharedKey{t.space.Name, c.ID}
		had, known := t.held[k]
		known = known && had.bucket >= t.bound
		by, b := c.By.Hash(), t.space.End(c.Time)
		switch {
		case !known:
			t.held[k] = sharedClaim{by, b}
		case c.Force:
			t.held[k] = sharedClaim{by, max(b, had.bucket)}
		}
		won[i] = t.held[k].by == by
	}
	return nil
}

func (t *sharedTable) Expire(_ context.Context, at time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bound = t.space.Bound(at)
	return t.err
}

func (t *sharedTable) Close() error { return nil }

// The suite is right for a shared store that is plainly right.
func TestSharedMapConforms(t *testing.T) {
	deduptest.Run(t, func(*testing.T) dedup.Store { return newShared() }, nil)
}

// keeper holds every event until the end of time.
type keeper struct{}

func (keeper) Traits() stage.Traits                                { return stage.Traits{Holds: true} }
func (keeper) Open(*stage.Lane) (stage.Processor[hit, hit], error) { return new(keeping), nil }

type keeping struct{ held []record.Event[hit] }

func (k *keeping) Process(_ context.Context, in []record.Event[hit], out *stage.Emitter[hit]) error {
	for _, e := range in {
		out.Hold(e.Origin)
		k.held = append(k.held, e)
	}
	return nil
}

func (k *keeping) Advance(_ context.Context, seen time.Time, out *stage.Emitter[hit]) error {
	if seen.Before(record.EndOfTime) {
		return nil
	}
	for _, e := range k.held {
		out.Release(e.Origin)
		out.Emit(e)
	}
	k.held = nil
	return nil
}
