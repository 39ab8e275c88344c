package ledger

import (
	"errors"
	"fmt"

	"github.com/onceflow/onceflow/stream/driver"
)

// MaxHeld is the largest number of held positions of one partition that a ledger takes.
const MaxHeld = 1 << 24

// heldJSON is a held set.
type heldJSON struct {
	First   string `json:"first"`
	Through uint64 `json:"through"`
	Count   int    `json:"count"`
	Runs    []byte `json:"runs,omitempty"` // of the ordinals behind 0, which every set has, each less 1
}

func toHeld(h driver.HeldSet) (*heldJSON, error) {
	if err := checkHeld(h); err != nil {
		return nil, err
	}
	rest := make([]uint32, len(h.Ordinals)-1)
	for i, n := range h.Ordinals[1:] {
		rest[i] = n - 1
	}
	return &heldJSON{First: h.First.String(), Through: h.Through, Count: len(h.Ordinals), Runs: encodeRuns(rest)}, nil
}

func (j *heldJSON) held() (driver.HeldSet, error) {
	h := driver.HeldSet{Through: j.Through}
	var err error
	if h.First, err = parsePosition(j.First); err != nil {
		return h, err
	}
	if j.Count < 1 || j.Count > MaxHeld {
		return h, fmt.Errorf("held set of %d positions", j.Count)
	}
	ordinals, ok := decodeRuns(make([]uint32, 1), j.Runs, j.Count-1)
	if !ok {
		return h, errors.New("held set is not readable")
	}
	for i := range ordinals[1:] {
		ordinals[i+1]++
	}
	h.Ordinals = ordinals
	return h, checkHeld(h)
}

// checkHeld checks what can be checked of a set that is not empty.
func checkHeld(h driver.HeldSet) error {
	if len(h.Ordinals) == 0 || h.Ordinals[0] != 0 || h.First.IsZero() {
		return errors.New("held set does not begin with its first position")
	}
	if len(h.Ordinals) > MaxHeld {
		return fmt.Errorf("held set of %d positions, at most %d are allowed", len(h.Ordinals), MaxHeld)
	}
	for i, n := range h.Ordinals[1:] {
		if n <= h.Ordinals[i] {
			return errors.New("held set is not ascending")
		}
	}
	if last := h.Ordinals[len(h.Ordinals)-1]; h.Through <= uint64(last) {
		return fmt.Errorf("held set has ordinal %d but ends before %d", last, h.Through)
	}
	return checkPosition(h.First)
}
