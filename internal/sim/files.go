package sim

import (
	"context"
	"slices"
	"time"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/stream/record"
)

// In some runs partitions are as files: a lane's end one day and have no children, others appear, and one that was read to
// its end may be taken away, for a while or for good.

// mostFiles bounds how many lanes there are at once that have not ended.
const mostFiles = 4

// fileEvents lets files come, end, go and come back.
func (w *world) fileEvents() {
	open := 0
	for _, l := range w.lanes {
		if !l.parts[0].closed {
			open++
		}
	}
	if open < mostFiles && w.chance(0.012) {
		w.addLane(w.topics("a")...)
	}
	if open > 1 && w.chance(0.012) {
		w.endFile(w.lanes[w.rng.IntN(len(w.lanes))])
	}
	for _, l := range w.lanes {
		if at := l.parts[0].hidden; !at.IsZero() && w.now.Sub(at) > hour/2 { // much longer, and it would be a new file
			w.hide(l)
			break
		}
	}
	if w.chance(0.02) {
		w.hide(w.lanes[w.rng.IntN(len(w.lanes))])
	}
	for _, l := range w.away {
		if w.check.isGone(l) && w.chance(0.05) {
			w.comeBack(l)
			break
		}
	}
	for _, l := range w.lanes {
		if w.chance(0.3) {
			w.neglect(l)
		}
	}
}

// endFile lets nothing more come to a lane, unless a partner of a record of it is still to come.
func (w *world) endFile(l *lane) {
	if l.parts[0].closed || slices.ContainsFunc(w.partners, func(p partnerOf) bool { return p.of.part.lane == l.name }) {
		return
	}
	w.copies = slices.DeleteFunc(w.copies, func(r *logRecord) bool { return r.part.lane == l.name })
	for _, p := range l.parts {
		p.closed = true
	}
	w.logf("%s ends", l.name)
}

// hide takes a file that was read to its end away, or brings it back. Some never come back.
func (w *world) hide(l *lane) {
	for _, p := range l.parts {
		if t := w.check.parts[p.id]; t == nil || !t.free() {
			return
		}
	}
	at := w.now
	if !l.parts[0].hidden.IsZero() {
		at = time.Time{}
	}
	for _, p := range l.parts {
		p.hidden = at
	}
	delete(w.owner, l.name)
	w.logf("%s is hidden since %s", l.name, at)
	if !at.IsZero() && w.chance(0.3) {
		w.takeAway(l)
	}
}

// takeAway leaves a hidden file away until the ledger has forgotten it for good.
func (w *world) takeAway(l *lane) {
	w.lanes = slices.DeleteFunc(w.lanes, func(m *lane) bool { return m == l })
	w.away = append(w.away, l)
	delete(w.owner, l.name)
}

// neglect lets nobody read a lane for a while that has read one file to its end and holds records of it.
func (w *world) neglect(l *lane) {
	if w.now.Before(l.since) || !slices.ContainsFunc(l.parts, func(p *partition) bool {
		t := w.check.parts[p.id]
		return t != nil && t.ended && !t.free()
	}) {
		return
	}
	l.since = w.now.Add(hour + w.upTo(2*hour))
	delete(w.owner, l.name)
	w.logf("nobody reads %s until %s", l.name, l.since)
}

// comeBack lets a file come back that the ledger has forgotten for good, so that it is a new one. What it has may be late.
func (w *world) comeBack(l *lane) {
	w.logf("%s is back, and is new", l.name)
	w.away = slices.DeleteFunc(w.away, func(m *lane) bool { return m == l })
	w.lanes = append(w.lanes, l)
	w.check.isNew(l)
	for _, p := range l.parts {
		p.hidden = time.Time{}
		for _, r := range p.log {
			r.exempt = true
		}
	}
	for _, p := range w.procs {
		if p.eng != nil {
			delete(p.eng.over, l.name)
		}
	}
}

// comingBack lets files come back that are forgotten for good, and reports whether there were any or may be.
func (w *world) comingBack() bool {
	waits := len(w.away) > 0
	for _, l := range slices.Clone(w.away) {
		if w.check.isGone(l) {
			w.comeBack(l)
		}
	}
	return waits
}

// letGo lets go of lanes that are over, as the engine does.
func (e *engine) letGo(ctx context.Context) error {
	if !e.w.cfg.files {
		return nil
	}
	var over []string
	for _, l := range e.sorted() {
		if !l.dirty && len(l.origins) == 0 && e.commit == nil && !slices.ContainsFunc(l.parts, func(p *partWork) bool {
			return !p.base.Ended || p.base.Pending.Len() > 0
		}) {
			over = append(over, l.assignment.Lane)
		}
	}
	if len(over) == 0 {
		return nil
	}
	if err := e.endUpkeep(); err != nil {
		return err
	}
	for _, name := range over {
		delete(e.lanes, name)
		e.over[name] = true
		e.w.logf("%s lets go of %s", e.p.name, name)
	}
	return e.out.Release(ctx, over)
}

// forget checks that only what is over is forgotten. What was read stays read: see partition.
func (c *checker) forget(e *ledger.Entry) {
	c.goneForGood += len(e.Forget.Gone)
	by := map[ledger.PartitionHash]*partition{}
	for _, p := range c.w.partList {
		by[ledger.HashPartition(p.id)] = p
	}
	for _, h := range e.Forget.Gone {
		if p := by[h]; p == nil || !c.forgotten[p.id] || p.hidden.IsZero() {
			c.violation("entry %d forgets a partition for good that the source lists, or that is not forgotten: %v", e.ID, p)
		} else {
			c.gonePart[p.id] = true
		}
	}
	for _, h := range e.Forget.Over {
		p := by[h]
		if p == nil || c.parts[p.id] == nil || !c.parts[p.id].free() {
			c.violation("entry %d forgets a partition that is not over: %v", e.ID, p)
			continue
		}
		c.forgotten[p.id] = true
		touches := c.touches[c.laneOf(p)]
		c.floor = max(c.floor, touches[len(touches)-1].entry+1)
	}
}

// isGone reports whether the ledger has forgotten all that it knew of a lane.
func (c *checker) isGone(l *lane) bool {
	return !slices.ContainsFunc(l.parts, func(p *partition) bool { return !c.gonePart[p.id] })
}

// isNew is told that a lane is back that was forgotten for good: all of it is read again.
func (c *checker) isNew(l *lane) {
	for _, p := range l.parts {
		delete(c.parts, p.id)
		delete(c.forgotten, p.id)
		delete(c.gonePart, p.id)
		for _, r := range p.log {
			if w := c.winners[r.id]; w != nil && w.part == p {
				delete(c.winners, r.id)
			}
		}
	}
	c.renewed[l.name] = c.floor
}

// unknown reports whether the ledger knows nothing of a lane any more, or yet.
func (c *checker) unknown(lane string) bool {
	return !slices.ContainsFunc(c.w.partList, func(p *partition) bool {
		return c.laneOf(p) == lane && c.parts[p.id] != nil && !c.forgotten[p.id]
	})
}

// listedNow are the partitions that the source has.
func (w *world) listedNow(topics []string) (list []record.Partition) {
	for _, p := range w.partList {
		if !p.retired && p.hidden.IsZero() && slices.Contains(topics, p.topic) {
			list = append(list, p.id)
		}
	}
	return list
}
