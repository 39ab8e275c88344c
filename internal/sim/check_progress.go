package sim

import (
	"context"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// progress is what the ledger says of each partition.
type progress struct {
	bad   *violations
	cfg   *config
	src   *source
	store *sinktest.Memory

	parts   map[record.Partition]*truth
	retired map[record.Partition]bool
	sets    map[record.Partition]driver.PendingSet // as the last blob that has one says
	steps   int                                    // pending sets that say only what has changed

	ending    map[record.Partition]bool // by the entry that is being checked
	base      map[string]time.Time      // watermarks of lanes before that entry
	descended int                       // entries that read children of others
}

// truth is what the ledger says of a partition, as the checker understands it.
type truth struct {
	upTo      int64
	watermark time.Time
	pending   map[int64]bool
	finished  map[int64]bool
	lane      string // as the ledger has it
	ended     bool
}

// free reports whether nothing can come of a partition any more.
func (t *truth) free() bool { return t.ended && len(t.pending) == 0 }

// isOver reports whether nothing can come of a lane that the ledger knows.
func (g *progress) isOver(lane string) bool {
	for p, t := range g.parts {
		if t.lane == lane && !t.free() && !g.retired[p] {
			return false
		}
	}
	return true
}

func newProgress(bad *violations, cfg *config, src *source, store *sinktest.Memory) *progress {
	return &progress{
		bad: bad, cfg: cfg, src: src, store: store,
		parts: map[record.Partition]*truth{}, retired: map[record.Partition]bool{}, sets: map[record.Partition]driver.PendingSet{},
	}
}

func (g *progress) isFinished(r *logRecord) bool {
	t := g.parts[r.part.id]
	return t != nil && t.finished[r.pos]
}

// holds reports whether a record with an ID is pending, which has won the ID and will be written.
func (g *progress) holds(id string) bool {
	for _, p := range g.src.partList {
		if t := g.parts[p.id]; t != nil {
			for pos := range t.pending {
				if p.log[pos-1].id == id {
					return true
				}
			}
		}
	}
	return false
}

// laneOf is the lane that the ledger has a partition in.
func (g *progress) laneOf(p *partition) string {
	if t := g.parts[p.id]; t != nil && t.lane != "" {
		return t.lane
	}
	return p.lane
}

// watermarks are those of all lanes: the smallest of their partitions'. A child that is not read yet counts only where nothing
// else does: the end of its other parent, in another lane, may have pulled its clocks back since this lane was touched.
func (g *progress) watermarks() map[string]time.Time {
	watermarks, unread := map[string]time.Time{}, map[string]time.Time{}
	for _, p := range g.src.partList {
		watermark, t, into := time.Time{}, g.parts[p.id], watermarks
		if t != nil {
			watermark = t.watermark
		}
		if t != nil && (g.cfg.reshards || g.cfg.files) && t.free() {
			continue
		}
		if len(p.parents) > 0 && (t == nil || t.upTo == 0) {
			into = unread
		}
		if l, ok := into[g.laneOf(p)]; !ok || watermark.Before(l) {
			into[g.laneOf(p)] = watermark
		}
	}
	for lane, watermark := range unread {
		if _, ok := watermarks[lane]; !ok {
			watermarks[lane] = watermark
		}
	}
	return watermarks
}

// pending reads a pending set, which may be in a blob.
func (g *progress) pending(pc *ledger.PartitionCommit) driver.PendingSet {
	if pc.PendingBlob == nil {
		return pc.Progress.Pending
	}
	var base driver.PendingSet
	if pc.PendingBefore > 0 {
		base = g.sets[pc.Partition]
		g.steps++
	}
	body, err := g.store.Read(context.Background(), root+pc.PendingBlob.Key, ledger.MaxBlob)
	if err == nil {
		var sets *ledger.PendingSets
		if sets, err = ledger.DecodePending(pc.PendingBlob, body); err == nil {
			var pending driver.PendingSet
			if pending, err = sets.Set(pc.PendingBlob, base); err == nil {
				g.sets[pc.Partition] = pending
				return pending
			}
		}
	}
	g.bad.add("%s: %v", pc.PendingBlob.Key, err)
	return driver.PendingSet{}
}

// move notes in which lanes an entry has partitions, and which of them end by it.
func (g *progress) move(e *ledger.Entry) {
	g.ending = map[record.Partition]bool{}
	for i := range e.Commit.Lanes {
		l := &e.Commit.Lanes[i]
		for k := range l.Partitions {
			id := l.Partitions[k].Partition
			if g.parts[id] == nil {
				g.parts[id] = &truth{pending: map[int64]bool{}, finished: map[int64]bool{}}
			}
			g.parts[id].lane = l.Lane
			g.ending[id] = l.Partitions[k].Progress.Ended && !g.parts[id].ended
		}
	}
}

// order checks that a partition is read after all that it took over from, and together with what of that is pending.
func (g *progress) order(e *ledger.Entry, p *partition, next *truth) {
	if next.upTo == 0 {
		return
	}
	for _, q := range p.parents {
		t := g.parts[q.id]
		if t == nil || !t.ended {
			g.bad.add("entry %d reads %s, and its parent %s has not ended", e.ID, p.id.ID, q.id.ID)
		} else if len(t.pending) > 0 && t.lane != next.lane {
			g.bad.add("entry %d reads %s in lane %s, and its parent %s holds records in lane %s", e.ID, p.id.ID, next.lane, q.id.ID, t.lane)
		}
	}
	if len(p.parents) > 0 && next.upTo > 0 {
		g.descended++
	}
}

// children checks that an ended partition names what took its place, which from now on has its clocks.
func (g *progress) children(e *ledger.Entry) {
	for i := range e.Commit.Lanes {
		l := &e.Commit.Lanes[i]
		for k := range l.Partitions {
			pc := &l.Partitions[k]
			p := g.src.parts[pc.Partition]
			if !pc.Progress.Ended {
				continue
			}
			if len(pc.Progress.Children) != len(p.children) || pc.Progress.UpTo.Sub != int64(len(p.log)) {
				g.bad.add("entry %d ends %s at %s with %d children, it has %d and ends at %d", e.ID, p.id.ID, pc.Progress.UpTo,
					len(pc.Progress.Children), len(p.children), len(p.log))
			}
			if !g.ending[p.id] {
				continue // they have clocks of their own since
			}
			for _, child := range p.children {
				t := g.parts[child.id]
				if t == nil {
					g.parts[child.id] = &truth{lane: l.Lane, watermark: pc.Progress.Watermark, pending: map[int64]bool{}, finished: map[int64]bool{}}
				} else if t.upTo == 0 && pc.Progress.Watermark.Before(t.watermark) {
					t.watermark = pc.Progress.Watermark
				}
			}
		}
	}
}
