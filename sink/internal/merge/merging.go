package merge

import "container/heap"

// merging gives the pieces of several packs in the order of slots, key paths, entries and places.
type merging struct{ ahead sources }

// next is the pack whose piece comes next; nil behind the last one.
func (m *merging) next() *source {
	if len(m.ahead) == 0 {
		return nil
	}
	return m.ahead[0]
}

// step takes s, which is the first one or new, to its next piece.
func (m *merging) step(s *source) error {
	isNew := s.path == "" && !s.begun
	ok, err := s.at.Next()
	if err != nil {
		return err
	}
	switch s.begun = true; {
	case !ok && !isNew:
		heap.Pop(&m.ahead)
		s.free()
	case !ok:
		s.free()
	case isNew:
		s.set()
		heap.Push(&m.ahead, s)
	case s.at.Path() != s.path:
		s.set()
		heap.Fix(&m.ahead, 0)
	}
	return nil
}

// sources are packs, the one whose piece comes next first.
type sources []*source

func (h sources) Len() int      { return len(h) }
func (h sources) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h sources) Less(i, j int) bool {
	a, b := h[i], h[j]
	if a.slot != b.slot {
		return a.slot < b.slot
	}
	if a.path != b.path {
		return a.path < b.path
	}
	return a.order < b.order
}
func (h *sources) Push(x any) { *h = append(*h, x.(*source)) }
func (h *sources) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

func (s *source) set() { s.path, s.slot = s.at.Path(), s.at.Slot() }
