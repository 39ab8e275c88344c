package file

import (
	"fmt"
	"slices"
	"strings"

	"github.com/onceflow/onceflow/stream/driver"
)

// group is the files that Options.Lane puts into one lane. They are read one after the other, in the order of their
// names. It is used by the goroutine that calls Poll.
type group struct {
	name     string
	files    []*lane // in the order of their names
	assigned bool
	paused   bool
	pass     pass
	at       *lane // whose turn it was last
}

// pass is what is read of all files of a group before the next pass begins: records that were pending may wait for those of
// any file, so they all come before any new one.
type pass uint8

const (
	warmPass    pass = iota // finished records, for state only
	pendingPass             // pending records
	restPass                // all others
)

// assign makes the group a lane, or another one if it has more files than before.
func (g *group) assign(b *driver.Batch, inOrder bool) {
	if g.assigned {
		b.Revoked = append(b.Revoked, g.name)
	}
	g.assigned, g.paused = true, false
	slices.SortStableFunc(g.files, func(a, b *lane) int { return strings.Compare(a.file.id, b.file.id) })
	a := driver.Assignment{Lane: g.name, InOrder: inOrder}
	for _, l := range g.files {
		l.close()
		l.src.ends.unmark(l)
		l.state = assigned
		a.Partitions = append(a.Partitions, *l.part)
	}
	b.Assigned = append(b.Assigned, a)
}

// start begins the lane. Of the files that were read to their end those are left out of the warm-up whose last event is
// too old for it, where the ledger still knows how old that is.
func (g *group) start(st *driver.Start) {
	over := !slices.ContainsFunc(g.files, func(l *lane) bool {
		p := st.From[*l.part]
		return !p.Ended || p.Pending.Len() > 0
	})
	g.pass, g.at = warmPass, nil
	warm := false
	for _, l := range g.files {
		p := st.From[*l.part]
		tooOld := p.Ended && !p.MaxEventTime.IsZero() && p.MaxEventTime.Before(st.WarmFrom)
		l.start(p, st.Warmup > 0 && !over && !p.UpTo.IsZero() && !tooOld)
		l.pending = p.Pending.Len() > 0
		warm = warm || l.warm
	}
	if st.Warmup > 0 && !warm { // somebody has to say that it is done
		l := g.files[0]
		l.warm, l.idle, l.state = true, true, ready
	}
}

// turn is the file to read next; nil if there is none for now.
func (g *group) turn() *lane {
	for {
		if g.at != nil && g.at.wants(g.pass) {
			return g.at
		}
		if i := slices.IndexFunc(g.files, func(l *lane) bool { return l.wants(g.pass) }); i >= 0 {
			g.at = g.files[i]
			return g.at
		}
		if g.at = nil; g.pass == restPass {
			return nil
		}
		g.pass++
	}
}

// wants says that something of the file is to be read in the pass.
func (l *lane) wants(p pass) bool {
	switch p {
	case warmPass:
		return l.warm
	case pendingPass:
		return l.pending
	case restPass:
	}
	return l.state == ready
}

// mayRead says that it is the file's turn and that its lane is not paused.
func (l *lane) mayRead() bool {
	if l.group == nil {
		return l.state == ready && !l.paused
	}
	return l.state == ready && !l.group.paused && l.group.turn() == l
}

// endPass begins the file's next pass, and says whether the warm-up of its lane is done.
func (l *lane) endPass() (warmDone bool) {
	if l.group == nil {
		l.start(l.from, false)
		return true
	}
	pending, warm := l.pending, l.warm
	if !warm { // its pending records were given
		pending, l.from.Pending = false, driver.PendingSet{}
	}
	l.start(l.from, false)
	if l.pending = pending; pending {
		l.state = ready
	}
	return warm && !slices.ContainsFunc(l.group.files, func(o *lane) bool { return o.warm })
}

// begin is Start for a lane of several files.
func (g *group) begin(st driver.Start) error {
	for p, from := range st.From {
		in := slices.ContainsFunc(g.files, func(l *lane) bool { return *l.part == p })
		if !in && (!from.Ended || from.Pending.Len() > 0) {
			return fmt.Errorf("file: %s is in lane %s no more; its lines after %s are gone with it: %w", &p, g.name, from.UpTo, driver.ErrLost)
		}
	}
	g.start(&st)
	return nil
}

// finish lets the lane go. Its files stay known: if another one comes, the warm-up of the lane needs them.
func (g *group) finish() {
	g.assigned = false
	for _, l := range g.files {
		if l.state == ended { // else it is looked through for lines that were added
			l.close()
			l.src.ends.unmark(l)
			l.r, l.from = nil, driver.Progress{}
		}
	}
}
