package ledger

import (
	"errors"
	"fmt"

	"github.com/onceflow/onceflow/stream/driver"
)

// MaxPending is the largest number of pending positions of one partition that a ledger takes.
const MaxPending = 1 << 24

// pendingJSON is a pending set.
type pendingJSON struct {
	First   string `json:"first"`
	Through uint64 `json:"through"`
	Count   int    `json:"count"`
	Runs    []byte `json:"runs,omitempty"` // of the ordinals behind 0, which every set has, each less 1
}

func toPending(h driver.PendingSet) (*pendingJSON, error) {
	if err := checkPending(h); err != nil {
		return nil, err
	}
	rest := make([]uint32, len(h.Ordinals)-1)
	for i, n := range h.Ordinals[1:] {
		rest[i] = n - 1
	}
	return &pendingJSON{First: h.First.String(), Through: h.Through, Count: len(h.Ordinals), Runs: encodeRuns(rest)}, nil
}

func (j *pendingJSON) pending() (driver.PendingSet, error) {
	h := driver.PendingSet{Through: j.Through}
	var err error
	if h.First, err = parsePosition(j.First); err != nil {
		return h, err
	}
	if j.Count < 1 || j.Count > MaxPending {
		return h, fmt.Errorf("pending set of %d positions", j.Count)
	}
	ordinals, ok := decodeRuns(make([]uint32, 1), j.Runs, j.Count-1)
	if !ok {
		return h, errors.New("pending set is not readable")
	}
	for i := range ordinals[1:] {
		ordinals[i+1]++
	}
	h.Ordinals = ordinals
	return h, checkPending(h)
}

// checkPending checks what can be checked of a set that is not empty.
func checkPending(h driver.PendingSet) error {
	if len(h.Ordinals) == 0 || h.Ordinals[0] != 0 || h.First.IsZero() {
		return errors.New("pending set does not begin with its first position")
	}
	if len(h.Ordinals) > MaxPending {
		return fmt.Errorf("pending set of %d positions, at most %d are allowed", len(h.Ordinals), MaxPending)
	}
	for i, n := range h.Ordinals[1:] {
		if n <= h.Ordinals[i] {
			return errors.New("pending set is not ascending")
		}
	}
	if last := h.Ordinals[len(h.Ordinals)-1]; h.Through <= uint64(last) {
		return fmt.Errorf("pending set has ordinal %d but ends before %d", last, h.Through)
	}
	return checkPosition(h.First)
}
