package sim

import (
	"slices"
	"time"
)

// mostFiles bounds how many lanes there are at once that have not ended.
const mostFiles = 4

// folder is where, in some runs, partitions are as files: a lane's end one day and have no children, others appear, and one
// that was read to its end may be taken away, for a while or for good.
type folder struct {
	sched *scheduler
	src   *source
	prod  *producers
	group *group
	check *checker

	away []*lane // files that come back only as new ones, if at all
}

// fileEvents lets files come, end, go and come back.
func (w *folder) happen() {
	open := 0
	for _, l := range w.src.lanes {
		if !l.parts[0].closed {
			open++
		}
	}
	if open < mostFiles && w.sched.chance(0.012) {
		w.src.addLane(w.src.topics()...)
	}
	if open > 1 && w.sched.chance(0.012) {
		w.end(w.src.anyLane())
	}
	for _, l := range w.src.lanes {
		if at := l.parts[0].hidden; !at.IsZero() && w.sched.now.Sub(at) > hour/2 { // much longer, and it would be a new file
			w.hide(l)
			break
		}
	}
	if w.sched.chance(0.02) {
		w.hide(w.src.anyLane())
	}
	for _, l := range w.away {
		if w.check.owners.isGone(l) && w.sched.chance(0.05) {
			w.comeBack(l)
			break
		}
	}
	for _, l := range w.src.lanes {
		if w.sched.chance(0.3) {
			w.neglect(l)
		}
	}
}

// endFile lets nothing more come to a lane, unless a partner of a record of it is still to come.
func (w *folder) end(l *lane) {
	if !l.parts[0].closed && w.prod.endLane(l) {
		w.sched.logf("%s ends", l.name)
	}
}

// hide takes a file that was read to its end away, or brings it back. Some never come back.
func (w *folder) hide(l *lane) {
	for _, p := range l.parts {
		if t := w.check.progress.parts[p.id]; t == nil || !t.free() {
			return
		}
	}
	at := w.sched.now
	if !l.parts[0].hidden.IsZero() {
		at = time.Time{}
	}
	for _, p := range l.parts {
		p.hidden = at
	}
	w.group.revoke(l)
	w.sched.logf("%s is hidden since %s", l.name, at)
	if !at.IsZero() && w.sched.chance(0.3) {
		w.takeAway(l)
	}
}

// takeAway leaves a hidden file away until the ledger has forgotten it for good.
func (w *folder) takeAway(l *lane) {
	w.src.remove(l)
	w.away = append(w.away, l)
	w.group.revoke(l)
}

// neglect lets nobody read a lane for a while that has read one file to its end and holds records of it.
func (w *folder) neglect(l *lane) {
	if w.sched.now.Before(l.since) || !slices.ContainsFunc(l.parts, func(p *partition) bool {
		t := w.check.progress.parts[p.id]
		return t != nil && t.ended && !t.free()
	}) {
		return
	}
	l.since = w.sched.now.Add(hour + w.sched.upTo(2*hour))
	w.group.revoke(l)
	w.sched.logf("nobody reads %s until %s", l.name, l.since)
}

// comeBack lets a file come back that the ledger has forgotten for good, so that it is a new one. What it has may be late.
func (w *folder) comeBack(l *lane) {
	w.sched.logf("%s is back, and is new", l.name)
	w.away = slices.DeleteFunc(w.away, func(m *lane) bool { return m == l })
	w.src.lanes = append(w.src.lanes, l)
	w.check.isNew(l)
	for _, p := range l.parts {
		p.hidden = time.Time{}
		for _, r := range p.log {
			r.exempt = true
		}
	}
	w.group.isNew(l)
}

// comingBack lets files come back that are forgotten for good, and reports whether there were any or may be.
func (w *folder) comingBack() bool {
	waits := len(w.away) > 0
	for _, l := range slices.Clone(w.away) {
		if w.check.owners.isGone(l) {
			w.comeBack(l)
		}
	}
	return waits
}
