package merge

import (
	"sync/atomic"

	"github.com/onceflow/onceflow/stream/driver"
)

// What parts of a merge count for in the budget, besides the bytes that they say themselves.
const (
	cursorBytes     = 64 << 10 // a block of a pack that is decompressed, and the list of a segment's groups
	contentsBytes   = 512      // of a pack without segments
	placeBytes      = 72       // a segment in the list of a pack
	compressorBytes = 2 << 20  // as those of transactions count

	// readAtOnce of packs are in memory at most, also where the budget is large.
	readAtOnce = 64 << 20
)

// held is what a merge counts for in the job's budget. It is safe for concurrent use.
type held struct {
	budget *driver.Budget
	n      atomic.Int64
}

func (h *held) add(n int64) {
	if n != 0 {
		h.n.Add(n)
		h.budget.Add(n)
	}
}

func (h *held) free() { h.add(-h.n.Load()) }

// share is a part of the budget, and at most most, which it is where there is no limit.
func (h *held) share(parts, most int64) int64 {
	if limit := h.budget.Limit(); limit > 0 {
		return min(limit/parts, most)
	}
	return most
}

// readBytes is how many bytes of packs may be in memory at once. The rest of the budget is for the files that are made of
// them, and for the transactions that go on meanwhile.
func (h *held) readBytes() int64 { return 3 * h.share(8, readAtOnce/3) }
