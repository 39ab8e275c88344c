package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"slices"

	"github.com/onceflow/onceflow/stream/driver"
)

// MaxPendingBefore is how many blobs a pending set may build on. The next owner of the lane reads them all.
const MaxPendingBefore = 15

// pendingStepJSON says how a pending set differs from the one before it, the base.
type pendingStepJSON struct {
	First   string `json:"first"`
	Through uint64 `json:"through"`
	Count   int    `json:"count"`

	// Shift is the ordinal that First has in the base: what is ordinal n here is n + Shift there.
	Shift uint64 `json:"shift,omitempty"`

	Gone     int    `json:"gone,omitempty"`      // records of the base that are pending no more
	GoneRuns []byte `json:"gone_runs,omitempty"` // their numbers among those of the base, from 0
	More     int    `json:"more,omitempty"`      // records behind the base that are pending
	MoreRuns []byte `json:"more_runs,omitempty"` // their ordinals in the base, less its Through

	CRC32C uint32 `json:"crc32c"` // of the ordinals of the set, 4 bytes each, the lowest first
}

// toStep says how h differs from base; false if a step cannot. shift is where h begins in base.
func toStep(h, base driver.PendingSet, shift uint64) (*pendingStepJSON, bool) {
	j := &pendingStepJSON{First: h.First.String(), Through: h.Through, Count: h.Len(), Shift: shift, CRC32C: sumOrdinals(h.Ordinals)}
	var gone, more []uint32
	rest := h.Ordinals
	for i, n := range base.Ordinals {
		switch {
		case len(rest) > 0 && uint64(rest[0])+shift == uint64(n):
			rest = rest[1:]
		default:
			gone = append(gone, uint32(i))
		}
	}
	for _, n := range rest {
		at := uint64(n) + shift - base.Through
		if uint64(n)+shift < base.Through || at >= math.MaxUint32 {
			return nil, false // it was not pending in the base, or is too far away
		}
		more = append(more, uint32(at))
	}
	j.Gone, j.GoneRuns, j.More, j.MoreRuns = len(gone), encodeRuns(gone), len(more), encodeRuns(more)
	return j, true
}

// lists are the numbers of the base's records that have gone, and where those behind it are.
func (j *pendingStepJSON) lists() (gone, more []uint32, err error) {
	if j.Gone < 0 || j.Gone > MaxPending || j.More < 0 || j.More > MaxPending || j.Count < 1 || j.Count > MaxPending {
		return nil, nil, fmt.Errorf("pending set of %d positions, of which %d are new and %d have gone", j.Count, j.More, j.Gone)
	}
	gone, ok := decodeRuns(nil, j.GoneRuns, j.Gone)
	more, ok2 := decodeRuns(nil, j.MoreRuns, j.More)
	if !ok || !ok2 {
		return nil, nil, errors.New("pending set is not readable")
	}
	return gone, more, nil
}

// apply returns the set that follows base.
func (j *pendingStepJSON) apply(base driver.PendingSet) (h driver.PendingSet, err error) {
	gone, more, err := j.lists()
	if err != nil {
		return h, err
	}
	if len(gone) > base.Len() || base.Len()-len(gone)+len(more) != j.Count || len(gone) > 0 && int(gone[len(gone)-1]) >= base.Len() {
		return h, fmt.Errorf("pending set is of another base, which has %d positions", base.Len())
	}
	h.Through = j.Through
	if h.First, err = parsePosition(j.First); err != nil {
		return h, err
	}
	h.Ordinals = make([]uint32, 0, j.Count)
	put := func(at uint64) {
		if at < j.Shift || at-j.Shift > math.MaxUint32 {
			err = errors.New("pending set has an ordinal that is none")
			return
		}
		h.Ordinals = append(h.Ordinals, uint32(at-j.Shift))
	}
	for i, n := range base.Ordinals {
		if len(gone) > 0 && gone[0] == uint32(i) {
			gone = gone[1:]
			continue
		}
		put(uint64(n))
	}
	for _, n := range more {
		put(base.Through + uint64(n))
	}
	if err == nil && sumOrdinals(h.Ordinals) != j.CRC32C {
		err = errors.New("pending set is of another base: its checksum does not match")
	}
	if err != nil {
		return h, err
	}
	return h, checkPending(h)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func sumOrdinals(ordinals []uint32) (sum uint32) {
	var room [256]byte
	for part := range slices.Chunk(ordinals, len(room)/4) {
		b := room[:0]
		for _, n := range part {
			b = binary.LittleEndian.AppendUint32(b, n)
		}
		sum = crc32.Update(sum, castagnoli, b)
	}
	return sum
}

// shiftOf is where the set of p begins in the one before it. It follows from their positions, or, where these have gaps,
// from how many records were read.
func (p *PartitionCommit) shiftOf() (uint64, bool) {
	h, base := &p.Progress.Pending, &p.PendingBase
	if h.First.Seq == "" && base.First.Seq == "" {
		return uint64(h.First.Sub - base.First.Sub), h.First.Sub >= base.First.Sub
	}
	end := base.Through + uint64(p.Read)
	return end - h.Through, end >= h.Through
}
