package ledger

import (
	"bytes"
	"maps"
	"slices"
)

// Clone returns a copy that folds on its own.
func (s *State) Clone() *State {
	c := *s
	c.Lanes, c.Unpublished = s.Lanes.clone(), maps.Clone(s.Unpublished)
	c.Hours.Open = maps.Clone(s.Hours.Open)
	return &c
}

// clone returns a copy that folds on its own.
func (ls *Lanes) clone() Lanes {
	c := *ls
	c.ByName, c.Partitions, c.Finished = maps.Clone(ls.ByName), maps.Clone(ls.Partitions), ls.Finished.clone()
	for name, l := range c.ByName {
		if len(l.parts) < cap(l.parts) {
			own := *l
			own.parts = slices.Clip(l.parts)
			c.ByName[name] = &own
		}
	}
	return c
}

func (f *Finished) clone() *Finished {
	return &Finished{slices.Clip(f.chunks), bytes.Clone(f.tail), maps.Clone(f.at), f.saved}
}
