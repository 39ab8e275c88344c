package dynamodb

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/onceflow/onceflow/dedup"
	"github.com/onceflow/onceflow/dedup/internal/buckets"
	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/internal/retry"
)

// table is one lane's handle on a table.
type table struct {
	*Store
	space   dedup.Space
	buckets *buckets.Buckets
	prefix  []byte
}

// request is a claim on its way.
type request struct {
	claim  *dedup.Claim
	at     int // in the caller's slices
	key    []byte
	by     []byte
	bucket int64
	owner  *item // by whom, once that is known
	done   bool
	won    bool
}

// item is a claim in the table.
type item struct {
	by     []byte
	bucket int64
}

// Claim works in rounds. Each round takes one claim of every remaining ID, so that claims of one ID are made in order.
// Throttled claims are tried again in the next round.
func (t *table) Claim(ctx context.Context, claims []dedup.Claim, won []bool) error {
	left := make([]*request, len(claims))
	for i := range claims {
		c := &claims[i]
		by := c.By.Hash()
		left[i] = &request{claim: c, at: i, key: t.key(c.ID[:]), by: by[:], bucket: t.space.End(c.Time)}
	}
	if err := t.begin(ctx, left); err != nil {
		return err
	}
	const patience = 8 // rounds in which the service was too busy for every request
	for idle := 0; len(left) > 0; {
		now, later := firstOfEach(left)
		if err := t.round(ctx, now); err != nil {
			return err
		}
		before := len(left)
		left = later
		for _, r := range now {
			if r.done {
				won[r.at] = r.won
			} else {
				left = append(left, r)
			}
		}
		slices.SortFunc(left, func(a, b *request) int { return a.at - b.at })
		if len(left) < before {
			idle = 0
			continue
		}
		if idle++; idle == patience {
			return fmt.Errorf("dynamodb: claim: the service throttled %d of %d claims in each of 8 rounds", len(left), len(claims))
		}
		if err := retry.Wait(ctx, retry.Pause(50*time.Millisecond, 10*time.Second, idle)); err != nil {
			return err
		}
	}
	return nil
}

// firstOfEach takes the first request of each ID.
func firstOfEach(left []*request) (first, later []*request) {
	seen := make(map[dedup.ID]bool, len(left))
	for _, r := range left {
		if seen[r.claim.ID] {
			later = append(later, r)
			continue
		}
		seen[r.claim.ID] = true
		first = append(first, r)
	}
	return first, later
}

// round sends requests of different IDs. Requests that it could not settle stay undone.
func (t *table) round(ctx context.Context, rs []*request) error {
	var forced, asking []*request
	for _, r := range rs {
		if r.claim.Force {
			forced = append(forced, r)
		} else {
			asking = append(asking, r)
		}
	}
	if err := t.each(ctx, asking, insertMost, t.insert); err != nil {
		return err
	}
	lost := slices.DeleteFunc(slices.Clone(asking), func(r *request) bool { return r.done || r.owner == nil })
	unread := slices.DeleteFunc(slices.Clone(lost), func(r *request) bool { return r.owner.by != nil })
	// A forced claim must keep the newest time, so it reads first; this is rare.
	if err := t.each(ctx, append(unread, forced...), readMost, t.read); err != nil {
		return err
	}
	for _, r := range lost {
		if err := t.judge(ctx, r); err != nil {
			return err
		}
	}
	return t.each(ctx, forced, writeMost, t.put)
}

// each calls f for groups of at most n requests, several at once.
func (t *table) each(ctx context.Context, rs []*request, n int, f func(context.Context, []*request) error) error {
	groups := slices.Collect(slices.Chunk(rs, n))
	several := env.Env{Parallel: t.opts.Parallel}
	return several.Each(ctx, len(groups), func(ctx context.Context, i int) error { return f(ctx, groups[i]) })
}

// judge decides a claim whose ID has an item.
func (t *table) judge(ctx context.Context, r *request) error {
	switch {
	case r.owner.by == nil: // it has gone in the meantime
		r.owner = nil
	case slices.Equal(r.owner.by, r.by):
		r.done, r.won = true, true
	case r.owner.bucket < t.buckets.Bound():
		return t.replace(ctx, r)
	default:
		r.done, r.won = true, false
	}
	return nil
}

func (t *table) key(id []byte) []byte { return append(slices.Clip(t.prefix), id...) }

// Close does nothing: claims outlive the handle.
func (t *table) Close() error { return nil }
