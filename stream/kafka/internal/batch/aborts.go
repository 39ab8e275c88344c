package batch

import (
	"cmp"
	"slices"

	"github.com/onceflow/onceflow/stream/kafka/internal/wire"
)

// Aborts knows which transactions in an answer were aborted. Its list holds for this answer alone.
type Aborts struct {
	List   []wire.Aborted
	sorted bool
	open   map[int64]struct{} // producers in an aborted transaction
}

// Skip reports whether a batch is a marker or aborted. Batches come in the order of their offsets.
func (t *Aborts) Skip(h *Header) bool {
	if !t.sorted {
		slices.SortFunc(t.List, func(a, b wire.Aborted) int { return cmp.Compare(a.First, b.First) })
		t.sorted = true
	}
	for len(t.List) > 0 && t.List[0].First <= h.Last {
		if t.open == nil {
			t.open = map[int64]struct{}{}
		}
		t.open[t.List[0].Producer] = struct{}{}
		t.List = t.List[1:]
	}
	if h.Control() {
		if h.Abort() {
			delete(t.open, h.Producer)
		}
		return true
	}
	_, aborted := t.open[h.Producer]
	return aborted && h.Transactional()
}
