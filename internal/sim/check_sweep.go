package sim

import (
	"context"
	"slices"

	"github.com/onceflow/onceflow/internal/ledger"
	storage "github.com/onceflow/onceflow/sink/driver"
)

// touch is an entry that touched a lane.
type touch struct {
	entry uint64
	token ledger.Token
}

// touched notes which lanes an entry touches.
func (c *checker) touched(e *ledger.Entry) {
	if e.Commit != nil {
		for i := range e.Commit.Lanes {
			l := &e.Commit.Lanes[i]
			c.touches[l.Lane] = append(c.touches[l.Lane], touch{e.ID, l.Token})
		}
	}
	if r := e.Retire; r != nil {
		c.touches[r.Lane] = append(c.touches[r.Lane], touch{e.ID, r.Token})
	}
}

// swept is told that an instance has deleted staging that may be another's: it must be of work that can never be
// committed any more, which is so if others went on with each lane that its owner held.
func (c *checker) swept(s storage.Staging) {
	if isProbe(s.Key) || c.public[s.Key] {
		return
	}
	body, err := c.w.store.Read(context.Background(), root+ledger.OwnerName(s.Owner), ledger.MaxOwner)
	if err != nil {
		c.violation("%s is swept, but its owner is not known: %v", s.Key, err)
		return
	}
	o, err := ledger.DecodeOwner(body)
	if err != nil {
		c.violation("%s is swept: %v", s.Key, err)
		return
	}
	for _, l := range o.Lanes {
		if !c.overtaken(o, l) {
			c.violation("%s is swept, but its owner may still commit lane %s", s.Key, l.Lane)
		}
	}
}

// overtaken reports whether others have gone on with a lane, or with one that its partitions were still to come from, or
// whether nothing can come of it.
func (c *checker) overtaken(o *ledger.Owner, l ledger.OwnerLane) bool {
	touched := func(lane string, ours bool) bool {
		return slices.ContainsFunc(c.touches[lane], func(t touch) bool { return t.entry >= l.Index && (t.token == l.Token) == ours })
	}
	if touched(l.Lane, false) {
		return true
	}
	if l.Index < c.floor && c.unknown(l.Lane) || l.Index < c.renewed[l.Lane] {
		return true
	}
	if len(l.From) > 0 && !touched(l.Lane, true) {
		return slices.ContainsFunc(l.From, func(from string) bool {
			return slices.ContainsFunc(c.touches[from], func(t touch) bool {
				ours := slices.ContainsFunc(o.Lanes, func(x ledger.OwnerLane) bool { return x.Token == t.token })
				return !ours && t.entry >= l.Index && t.entry >= l.Since
			})
		})
	}
	n := 0
	for _, p := range c.w.partList {
		t := c.parts[p.id]
		if c.laneOf(p) != l.Lane {
			continue
		}
		if (t == nil || !t.free()) && !c.retired[p.id] {
			return false
		}
		n++
	}
	return n >= l.Parts
}
