package dedup

import (
	"context"
	"fmt"
	"time"

	"github.com/onceflow/onceflow/stream/record"
	"github.com/onceflow/onceflow/stream/stage"
)

// processor asks the table for the IDs of one lane's events, batch by batch.
type processor[T any] struct {
	*byID[T]
	table Table
	local Refiller // nil if the table is shared

	claims []Claim
	won    []bool
	seen   map[ID]struct{} // IDs of a record of many events
	place  []int32         // of each event's claim in claims, or one of:
}

const (
	noID  int32 = -1
	twice int32 = -2 // another event of the same record has the ID
)

// Process passes on the events that hold their IDs.
func (p *processor[T]) Process(ctx context.Context, in []record.Event[T], out *stage.Emitter[T]) error {
	forced := p.ask(in, out)
	if err := p.patiently(ctx, p.local == nil, func(ctx context.Context) error {
		return p.table.Claim(ctx, p.claims, p.won)
	}); err != nil {
		return fmt.Errorf("dedup: claim: %w", err)
	}
	hits := int64(0)
	empty := int64(0)
	for i := range in {
		switch c := p.place[i]; {
		case c == noID:
			empty++
			out.Emit(in[i])
		case c != twice && p.won[c]:
			out.Emit(in[i])
		default:
			hits++
			out.Drop(in[i].Origin, record.Duplicate, "duplicate")
		}
	}
	st := p.opts.Stats
	st.Claims.Add(int64(len(in)) - empty)
	st.Hits.Add(hits)
	st.Forced.Add(forced)
	st.Empty.Add(empty)
	return nil
}

// Warmup is how much of the log refills a local table.
func (p *processor[T]) Warmup() time.Duration {
	if p.local == nil {
		return 0
	}
	return p.opts.Window
}

// Warm refills a local table. It passes on one event of each ID, for the state of later stages.
func (p *processor[T]) Warm(ctx context.Context, in []record.Event[T], out *stage.Emitter[T]) error {
	p.ask(in, out)
	fill := p.table.Claim
	if p.local != nil {
		fill = p.local.Refill
		p.opts.Stats.Refilled.Add(int64(len(p.claims)))
	}
	if err := p.patiently(ctx, p.local == nil, func(ctx context.Context) error {
		return fill(ctx, p.claims, p.won)
	}); err != nil {
		return fmt.Errorf("dedup: refill: %w", err)
	}
	for i := range in {
		if c := p.place[i]; c == noID || c != twice && p.won[c] {
			out.Emit(in[i])
		}
	}
	return nil
}

// Committed forgets IDs by the committed clocks, the only ones that neither a crash nor another process can take back. It
// keeps the ID of a pending record, which has won and will claim it again.
func (p *processor[T]) Committed(ctx context.Context, c record.Clocks) error {
	clock := c.Job
	if p.local != nil {
		clock = c.Lane
	}
	if clock.MaxEventTime.IsZero() {
		return nil
	}
	t := clock.MaxEventTime.Add(-p.opts.Window)
	if !clock.Pending.IsZero() && clock.Pending.Before(t) {
		t = clock.Pending
	}
	if err := p.patiently(ctx, p.local == nil, func(ctx context.Context) error {
		return p.table.Expire(ctx, t)
	}); err != nil {
		return fmt.Errorf("dedup: expire: %w", err)
	}
	return nil
}

// Close closes the table.
func (p *processor[T]) Close() error { return p.table.Close() }
