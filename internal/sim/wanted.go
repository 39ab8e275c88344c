package sim

import (
	"context"
	"slices"

	"github.com/onceflow/onceflow/internal/lineage"
	"github.com/onceflow/onceflow/stream/driver"
)

// look reads what is committed now and then, and asks for the shards after it.
func (e *engine) look(ctx context.Context) error {
	if e.shards != nil && e.sched.chance(0.9) {
		return nil
	}
	known, err := e.out.Ledger().Tell(ctx)
	if err != nil {
		return passing(err)
	}
	for p := range known {
		if !slices.Contains(e.p.topics, p.Source) {
			delete(known, p)
		}
	}
	e.sched.Yield("ask for shards")
	e.known, e.shards = known, e.src.shards(e.p.topics)
	return nil
}

// wanted are the lanes that the instance should have.
func (e *engine) wanted(ctx context.Context) (want []driver.Assignment, err error) {
	if !e.cfg.reshards {
		for _, l := range e.src.lanes {
			if e.p.g.owner[l.name] == e.p && !e.over[l.name] {
				want = append(want, l.assignment())
			}
		}
		return want, nil
	}
	if err := e.look(ctx); err != nil {
		return nil, err
	}
	for _, l := range lineage.Lanes(e.shards, e.known) {
		if e.p.g.owner[l.Lease] == e.p {
			want = append(want, l.Assignment)
		}
	}
	return want, nil
}
