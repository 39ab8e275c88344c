// Package lineage decides which partitions are read together where partitions end and are replaced by others, as Kinesis
// shards are. It is pure, so that the Kinesis source and the simulation run the same rules.
//
// A partition is read once the ends of all its parents are committed. While an ancestor holds records, the partition is in
// one lane with it, since records of the two may meet. Afterwards it is a lane of its own, so that a split really shares
// the load. All follows from the ledger, so every process comes to the same lanes. A process that looks at an old ledger
// can only do void work.
package lineage

import (
	"cmp"
	"slices"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// Shard is a partition that the service lists.
type Shard struct {
	Partition record.Partition
	Parents   []record.Partition // whose place it took: none, one, or two of a merge; they may be listed no longer
}

// Lane is what is read together.
type Lane struct {
	driver.Assignment // named by its oldest partition, which has the smallest ID

	// Lease is the name under which processes share the lane: the lane that the ledger has the oldest partition in. Until
	// the move is committed, the process that has that lane must have this one, too. Several lanes may have one lease.
	Lease string
}

// Lanes returns the lanes to read, sorted by name. known is what the ledger has of this stream, also of partitions that the
// service no longer lists. An unlisted partition that is not committed to its end is lost.
func Lanes(shards []Shard, known map[record.Partition]driver.Standing) []Lane {
	g := newGraph(shards, known)
	groups := map[record.Partition][]record.Partition{}
	for _, p := range g.all {
		if g.unsettled(p) && g.begun(p) {
			r := g.root(p)
			groups[r] = append(groups[r], p)
		}
	}
	var lanes []Lane
	for _, members := range groups {
		if l, ok := g.lane(members); ok {
			lanes = append(lanes, l)
		}
	}
	slices.SortFunc(lanes, func(a, b Lane) int { return cmp.Compare(a.Lane, b.Lane) })
	return lanes
}

// graph is the lineage of all partitions that are listed or known.
type graph struct {
	known   map[record.Partition]driver.Standing
	parents map[record.Partition][]record.Partition // of listed ones
	all     []record.Partition                      // sorted
	done    map[record.Partition]bool               // settled, as far as it was asked
	joined  map[record.Partition]record.Partition   // union-find
}

func newGraph(shards []Shard, known map[record.Partition]driver.Standing) *graph {
	g := &graph{
		known: known, parents: make(map[record.Partition][]record.Partition, len(shards)),
		done: map[record.Partition]bool{}, joined: map[record.Partition]record.Partition{},
	}
	for _, s := range shards {
		g.parents[s.Partition] = s.Parents
		g.all = append(g.all, s.Partition)
	}
	for p := range known {
		if _, listed := g.parents[p]; !listed {
			g.all = append(g.all, p)
		}
	}
	slices.SortFunc(g.all, record.Partition.Compare)
	for _, p := range g.all {
		for _, q := range g.parents[p] {
			if g.begun(p) && g.unsettled(q) {
				g.join(p, q)
			}
		}
	}
	return g
}

// ended reports whether nothing new will come of p. A partition that the service dropped before we knew of it counts as
// never written, since a job begins with what is there.
func (g *graph) ended(p record.Partition) bool {
	s, known := g.known[p]
	if _, listed := g.parents[p]; !known {
		return !listed
	}
	return s.Ended || s.Retired
}

// begun reports whether p may be read: all its parents have ended.
func (g *graph) begun(p record.Partition) bool {
	return !slices.ContainsFunc(g.parents[p], func(q record.Partition) bool { return !g.ended(q) })
}

// unsettled reports whether p, or an ancestor of it, can still give a record or holds one.
func (g *graph) unsettled(p record.Partition) bool {
	if done, ok := g.done[p]; ok {
		return !done
	}
	s := g.known[p]
	done := g.ended(p) && (s.Retired || !s.Holds) && !slices.ContainsFunc(g.parents[p], g.unsettled)
	g.done[p] = done
	return !done
}

func (g *graph) root(p record.Partition) record.Partition {
	for {
		q, ok := g.joined[p]
		if !ok {
			return p
		}
		p = q
	}
}

func (g *graph) join(p, q record.Partition) {
	if a, b := g.root(p), g.root(q); a != b {
		g.joined[a] = b
	}
}

// lane makes the lane of partitions that belong together, sorted. It is false if nobody may read any of them.
func (g *graph) lane(members []record.Partition) (Lane, bool) {
	oldest := members[0]
	l := Lane{Lease: oldest.ID}
	l.Lane = oldest.ID
	if s, ok := g.known[oldest]; ok && s.Lane != "" {
		l.Lease = s.Lane
	}
	for _, p := range members {
		s, known := g.known[p]
		if s.Retired {
			continue
		}
		l.Partitions = append(l.Partitions, p)
		l.Moved = l.Moved || known && s.Lane != l.Lane
	}
	l.Elders = g.elders(members)
	return l, len(l.Partitions) > 0
}

// elders are the listed ancestors of members that are none of them, sorted.
func (g *graph) elders(members []record.Partition) (elders []record.Partition) {
	seen := map[record.Partition]bool{}
	for _, p := range members {
		seen[p] = true
	}
	for next := slices.Clone(members); len(next) > 0; next = next[1:] {
		for _, q := range g.parents[next[0]] {
			if _, listed := g.parents[q]; listed && !seen[q] && !g.known[q].Retired {
				seen[q] = true
				elders, next = append(elders, q), append(next, q)
			}
		}
	}
	slices.SortFunc(elders, record.Partition.Compare)
	return elders
}
