package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/onceflow/onceflow/stream"
)

// MaxHeld is the largest number of held positions of one partition that a ledger takes.
const MaxHeld = 1 << 24

// heldJSON codes a held set in the shorter of two ways; deltas if both are equally long. Both leave out ordinal 0, which
// every set has.
type heldJSON struct {
	First   string `json:"first"`
	Through uint64 `json:"through"`
	Count   int    `json:"count"`

	// Deltas are, for each ordinal after the first, its distance to the one before, less 1, as an unsigned LEB128.
	Deltas []byte `json:"deltas,omitempty"`

	// Bitmap has bit (n-1)%8 of byte (n-1)/8 set, the lowest bit being 0, for each ordinal n after the first. The last
	// byte is not zero.
	Bitmap []byte `json:"bitmap,omitempty"`
}

func toHeld(h stream.HeldSet) (*heldJSON, error) {
	if err := checkHeld(h); err != nil {
		return nil, err
	}
	j := &heldJSON{First: h.First.String(), Through: h.Through, Count: len(h.Ordinals)}
	rest := h.Ordinals[1:]
	if len(rest) == 0 {
		return j, nil
	}
	size, prev := 0, uint32(0)
	for _, n := range rest {
		size += uvarintLen(n - prev - 1)
		prev = n
	}
	if bits := int(prev-1)/8 + 1; bits < size {
		j.Bitmap = make([]byte, bits)
		for _, n := range rest {
			j.Bitmap[(n-1)/8] |= 1 << ((n - 1) % 8)
		}
		return j, nil
	}
	j.Deltas, prev = make([]byte, 0, size), 0
	for _, n := range rest {
		j.Deltas = binary.AppendUvarint(j.Deltas, uint64(n-prev-1))
		prev = n
	}
	return j, nil
}

func uvarintLen(n uint32) int {
	l := 1
	for ; n >= 0x80; n >>= 7 {
		l++
	}
	return l
}

func (j *heldJSON) held() (stream.HeldSet, error) {
	h := stream.HeldSet{Through: j.Through}
	var err error
	if h.First, err = parsePosition(j.First); err != nil {
		return h, err
	}
	if j.Count < 1 || j.Count > MaxHeld {
		return h, fmt.Errorf("held set of %d positions", j.Count)
	}
	if len(j.Bitmap) > 0 && len(j.Deltas) > 0 || j.Count-1 > len(j.Deltas)+8*len(j.Bitmap) {
		return h, errors.New("held set does not have what it counts")
	}
	h.Ordinals = make([]uint32, 1, j.Count)
	if len(j.Bitmap) > 0 {
		h.Ordinals, err = fromBitmap(h.Ordinals, j.Bitmap)
	} else {
		h.Ordinals, err = fromDeltas(h.Ordinals, j.Deltas)
	}
	if err != nil {
		return h, err
	}
	if len(h.Ordinals) != j.Count {
		return h, fmt.Errorf("held set has %d positions and says %d", len(h.Ordinals), j.Count)
	}
	return h, checkHeld(h)
}

func fromBitmap(out []uint32, bitmap []byte) ([]uint32, error) {
	if len(bitmap) > math.MaxUint32/8 {
		return nil, errors.New("held set is too long")
	}
	for i, b := range bitmap {
		for bit := 0; b != 0; bit, b = bit+1, b>>1 {
			if b&1 != 0 {
				out = append(out, uint32(8*i+bit+1))
			}
			if len(out) > MaxHeld {
				return nil, errors.New("held set has too many positions")
			}
		}
	}
	return out, nil
}

func fromDeltas(out []uint32, deltas []byte) ([]uint32, error) {
	prev := uint64(0)
	for len(deltas) > 0 {
		d, n := binary.Uvarint(deltas)
		if n <= 0 || d > math.MaxUint32 || prev+d+1 > math.MaxUint32 {
			return nil, errors.New("held set is not readable")
		}
		prev += d + 1
		out = append(out, uint32(prev))
		deltas = deltas[n:]
	}
	return out, nil
}

// checkHeld checks what can be checked of a set that is not empty.
func checkHeld(h stream.HeldSet) error {
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
