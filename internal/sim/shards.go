package sim

import (
	"fmt"
	"slices"

	"github.com/onceflow/onceflow/internal/lineage"
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
func (s *source) reshard() {
	var open []*partition
	for _, p := range s.partList {
		if !p.closed {
			open = append(open, p)
		}
	}
	p := open[s.sched.rng.IntN(len(open))]
	if s.sched.chance(0.5) {
		for _, q := range open {
			if q.topic == p.topic && q.lo == p.hi {
				s.replace([]*partition{p, q}, p.lo, q.hi)
				return
			}
		}
	}
	if len(open) < mostShards {
		s.replace([]*partition{p}, p.lo, p.lo+(p.hi-p.lo)*(0.2+0.6*s.sched.rng.Float64()), p.hi)
	}
}

// replace closes parents. Their children have the ranges between the borders.
func (s *source) replace(parents []*partition, borders ...float64) {
	s.resharded++
	for i := range borders[1:] {
		topic := parents[0].topic
		c := &partition{id: record.Partition{Source: topic, Epoch: "1", ID: fmt.Sprintf("%s:%03d", topic, len(s.partList))}, topic: topic}
		c.lane = c.id.ID
		c.shard = shard{lo: borders[i], hi: borders[i+1], parents: parents}
		s.parts[c.id] = c
		s.partList = append(s.partList, c)
		s.lanes = append(s.lanes, &lane{name: c.lane, parts: []*partition{c}})
		for _, p := range parents {
			p.closed, p.children = true, append(p.children, c)
		}
	}
	for _, p := range parents {
		s.sched.logf("%s ends at %d: %s", p.id.ID, len(p.log), ids(p.childIDs()))
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
func (s *source) route(topic string, hash float64) *partition {
	for _, p := range s.partList {
		if !p.closed && p.topic == topic && p.lo <= hash && hash < p.hi {
			return p
		}
	}
	panic("no partition takes the hash")
}

// shards is what the service lists now.
func (s *source) shards(topics []string) (list []lineage.Shard) {
	for _, p := range s.partList {
		if slices.Contains(topics, p.topic) {
			sh := lineage.Shard{Partition: p.id}
			for _, q := range p.parents {
				sh.Parents = append(sh.Parents, q.id)
			}
			list = append(list, sh)
		}
	}
	return list
}
