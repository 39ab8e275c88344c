package sim

import (
	"context"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/ledger"
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
func (c *checker) swept(s sink.Staging) {
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
		if !c.overtaken(l) {
			c.violation("%s is swept, but its owner may still commit lane %s", s.Key, l.Lane)
		}
	}
}

func (c *checker) overtaken(l ledger.OwnerLane) bool {
	for _, t := range c.touches[l.Lane] {
		if t.entry >= l.Index && t.token != l.Token {
			return true
		}
	}
	return false
}
