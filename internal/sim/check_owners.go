package sim

import (
	"context"
	"slices"
	"strings"

	"github.com/onceflow/onceflow/internal/ledger"
	storage "github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/sinktest"
	"github.com/onceflow/onceflow/stream/record"
)

// owners knows who may still commit to which lane. It checks that nothing is swept or forgotten before nobody may.
type owners struct {
	bad      *violations
	src      *source
	store    *sinktest.Memory
	objects  *objects
	progress *progress
	merges   *merges

	touches   map[string][]touch // by lane
	forgotten map[record.Partition]bool
	gone      map[record.Partition]bool // that are forgotten for good, until they are back
	forGood   int
	renewed   map[string]uint64 // lanes that came back, and the floor at the time
	floor     uint64            // who acquired an unknown lane before it cannot commit anything of it
}

// touch is an entry that touched a lane.
type touch struct {
	entry uint64
	token ledger.Token
}

func newOwners(bad *violations, src *source, store *sinktest.Memory, o *objects, g *progress, m *merges) *owners {
	return &owners{
		bad: bad, src: src, store: store, objects: o, progress: g, merges: m,
		touches: map[string][]touch{}, forgotten: map[record.Partition]bool{}, gone: map[record.Partition]bool{}, renewed: map[string]uint64{},
	}
}

// touched notes which lanes an entry touches.
func (w *owners) touched(e *ledger.Entry) {
	if e.Commit != nil {
		for i := range e.Commit.Lanes {
			l := &e.Commit.Lanes[i]
			w.touches[l.Lane] = append(w.touches[l.Lane], touch{e.ID, l.Token})
		}
	}
	if r := e.Retire; r != nil {
		w.touches[r.Lane] = append(w.touches[r.Lane], touch{e.ID, r.Token})
	}
}

// swept is told that an instance has deleted staging that may be another's: it must be of work that can never be
// committed any more, which is so if others went on with each lane that its owner held.
func (w *owners) swept(s storage.Staging) {
	if isProbe(s.Key) || w.objects.public[s.Key] {
		return
	}
	if strings.HasPrefix(s.Owner, "m") {
		w.merges.swept(s)
		return
	}
	body, err := w.store.Read(context.Background(), root+ledger.OwnerName(s.Owner), ledger.MaxOwner)
	if err != nil {
		w.bad.add("%s is swept, but its owner is not known: %v", s.Key, err)
		return
	}
	o, err := ledger.DecodeOwner(body)
	if err != nil {
		w.bad.add("%s is swept: %v", s.Key, err)
		return
	}
	for _, l := range o.Lanes {
		if !w.overtaken(o, l) {
			w.bad.add("%s is swept, but its owner may still commit lane %s", s.Key, l.Lane)
		}
	}
}

// overtaken reports whether others have gone on with a lane, or with one that its partitions were still to come from, or
// whether nothing can come of it.
func (w *owners) overtaken(o *ledger.Owner, l ledger.OwnerLane) bool {
	touched := func(lane string, ours bool) bool {
		return slices.ContainsFunc(w.touches[lane], func(t touch) bool { return t.entry >= l.Index && (t.token == l.Token) == ours })
	}
	if touched(l.Lane, false) {
		return true
	}
	if l.Index < w.floor && w.unknown(l.Lane) || l.Index < w.renewed[l.Lane] {
		return true
	}
	if len(l.From) > 0 && !touched(l.Lane, true) {
		return slices.ContainsFunc(l.From, func(from string) bool {
			return slices.ContainsFunc(w.touches[from], func(t touch) bool {
				ours := slices.ContainsFunc(o.Lanes, func(x ledger.OwnerLane) bool { return x.Token == t.token })
				return !ours && t.entry >= l.Index && t.entry >= l.Since
			})
		})
	}
	n := 0
	for _, p := range w.src.partList {
		t := w.progress.parts[p.id]
		if w.progress.laneOf(p) != l.Lane {
			continue
		}
		if (t == nil || !t.free()) && !w.progress.retired[p.id] {
			return false
		}
		n++
	}
	return n >= l.Parts
}

// forget checks that only what is over is forgotten. What was read stays read: see partition.
func (w *owners) forget(e *ledger.Entry) {
	w.forGood += len(e.Forget.Gone)
	by := map[ledger.PartitionHash]*partition{}
	for _, p := range w.src.partList {
		by[ledger.HashPartition(p.id)] = p
	}
	for _, h := range e.Forget.Gone {
		if p := by[h]; p == nil || !w.forgotten[p.id] || p.hidden.IsZero() {
			w.bad.add("entry %d forgets a partition for good that the source lists, or that is not forgotten: %v", e.ID, p)
		} else {
			w.gone[p.id] = true
		}
	}
	for _, h := range e.Forget.Over {
		p := by[h]
		if p == nil || w.progress.parts[p.id] == nil || !w.progress.parts[p.id].free() {
			w.bad.add("entry %d forgets a partition that is not over: %v", e.ID, p)
			continue
		}
		w.forgotten[p.id] = true
		touches := w.touches[w.progress.laneOf(p)]
		w.floor = max(w.floor, touches[len(touches)-1].entry+1)
	}
}

// isGone reports whether the ledger has forgotten all that it knew of a lane.
func (w *owners) isGone(l *lane) bool {
	return !slices.ContainsFunc(l.parts, func(p *partition) bool { return !w.gone[p.id] })
}

// isNew is told that a lane is back that was forgotten for good.
func (w *owners) isNew(l *lane) {
	for _, p := range l.parts {
		delete(w.forgotten, p.id)
		delete(w.gone, p.id)
	}
	w.renewed[l.name] = w.floor
}

// unknown reports whether the ledger knows nothing of a lane any more, or yet.
func (w *owners) unknown(lane string) bool {
	return !slices.ContainsFunc(w.src.partList, func(p *partition) bool {
		return w.progress.laneOf(p) == lane && w.progress.parts[p.id] != nil && !w.forgotten[p.id]
	})
}
