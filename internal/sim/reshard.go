package sim

import (
	"context"
	"fmt"
	"slices"

	"github.com/onceflow/onceflow/internal/lineage"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// shard is what a partition has in a source whose partitions split and merge.
type shard struct {
	lo, hi   float64 // the hashes of the keys that come here
	closed   bool
	parents  []*partition
	children []*partition
}

// mostShards bounds how many are open at once.
const mostShards = 6

// reshard splits a partition or merges two.
func (w *world) reshard() {
	var open []*partition
	for _, p := range w.partList {
		if !p.closed {
			open = append(open, p)
		}
	}
	p := open[w.rng.IntN(len(open))]
	if w.chance(0.5) {
		for _, q := range open {
			if q.topic == p.topic && q.lo == p.hi {
				w.replace([]*partition{p, q}, p.lo, q.hi)
				return
			}
		}
	}
	if len(open) < mostShards {
		w.replace([]*partition{p}, p.lo, p.lo+(p.hi-p.lo)*(0.2+0.6*w.rng.Float64()), p.hi)
	}
}

// replace closes parents. Their children have the ranges between the borders.
func (w *world) replace(parents []*partition, borders ...float64) {
	w.resharded++
	for i := range borders[1:] {
		topic := parents[0].topic
		c := &partition{id: record.Partition{Source: topic, Epoch: "1", ID: fmt.Sprintf("%s:%03d", topic, len(w.partList))}, topic: topic}
		c.lane = c.id.ID
		c.shard = shard{lo: borders[i], hi: borders[i+1], parents: parents}
		w.parts[c.id] = c
		w.partList = append(w.partList, c)
		w.lanes = append(w.lanes, &lane{name: c.lane, parts: []*partition{c}})
		for _, p := range parents {
			p.closed, p.children = true, append(p.children, c)
		}
	}
	for _, p := range parents {
		w.logf("%s ends at %d: %s", p.id.ID, len(p.log), ids(p.childIDs()))
	}
}

func ids(ps []record.Partition) (s []string) {
	for _, p := range ps {
		s = append(s, p.ID)
	}
	return s
}

func (p *partition) childIDs() (out []record.Partition) {
	for _, c := range p.children {
		out = append(out, c.id)
	}
	return out
}

// route is the open partition for a hash.
func (w *world) route(topic string, hash float64) *partition {
	for _, p := range w.partList {
		if !p.closed && p.topic == topic && p.lo <= hash && hash < p.hi {
			return p
		}
	}
	panic("no partition takes the hash")
}

// shards is what the service lists now.
func (w *world) shards(topics []string) (list []lineage.Shard) {
	for _, p := range w.partList {
		if slices.Contains(topics, p.topic) {
			s := lineage.Shard{Partition: p.id}
			for _, q := range p.parents {
				s.Parents = append(s.Parents, q.id)
			}
			list = append(list, s)
		}
	}
	return list
}

// look reads what is committed now and then, and asks for the shards after it.
func (e *engine) look(ctx context.Context) error {
	if e.shards != nil && e.w.chance(0.9) {
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
	e.w.Yield("ask for shards")
	e.known, e.shards = known, e.w.shards(e.p.topics)
	return nil
}

// wanted are the lanes that the instance should have.
func (e *engine) wanted(ctx context.Context) (want []driver.Assignment, err error) {
	if !e.w.cfg.reshards {
		for _, l := range e.w.lanes {
			if e.w.owner[l.name] == e.p && !e.over[l.name] {
				want = append(want, l.assignment())
			}
		}
		return want, nil
	}
	if err := e.look(ctx); err != nil {
		return nil, err
	}
	for _, l := range lineage.Lanes(e.shards, e.known) {
		if e.w.owner[l.Lease] == e.p {
			want = append(want, l.Assignment)
		}
	}
	return want, nil
}

// end notes that a partition ends, once all of it was read.
func (p *partWork) end() {
	if p.p.closed && p.upTo == int64(len(p.p.log)) {
		p.ended, p.children = true, p.p.childIDs()
	}
}

// bounds reports whether the clock of p limits that of its lane: it does not once it has ended and its children do.
func (l *laneWork) bounds(p *partWork) bool {
	return !p.ended || slices.ContainsFunc(p.children, func(c record.Partition) bool { return !slices.Contains(l.assignment.Partitions, c) })
}
