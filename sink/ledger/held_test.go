package ledger

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/onceflow/onceflow/stream"
)

func randomHeld(r *rand.Rand) stream.HeldSet {
	h := stream.HeldSet{First: pos(1 + r.Int64N(1e9)), Ordinals: []uint32{0}}
	gap := uint32(1) << r.IntN(12)
	for range r.IntN(400) {
		h.Ordinals = append(h.Ordinals, h.Ordinals[len(h.Ordinals)-1]+1+r.Uint32N(gap))
	}
	h.Through = uint64(h.Ordinals[len(h.Ordinals)-1]) + 1 + r.Uint64N(5)
	return h
}

func TestHeldSetsComeBack(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	deltas, bitmaps := 0, 0
	for range 2000 {
		h := randomHeld(r)
		j, err := toHeld(h)
		if err != nil {
			t.Fatal(err)
		}
		got, err := j.held()
		if err != nil || !reflect.DeepEqual(got, h) {
			t.Fatalf("got %v, %v, want %v", got, err, h)
		}
		if last := h.Ordinals[len(h.Ordinals)-1]; last > 0 {
			if bits := (int(last) + 7) / 8; len(j.Deltas) > bits || len(j.Bitmap) > bits {
				t.Fatalf("%d and %d bytes for a set that needs a bitmap of %d", len(j.Deltas), len(j.Bitmap), bits)
			}
		}
		if len(j.Deltas) > 0 {
			deltas++
		}
		if len(j.Bitmap) > 0 {
			bitmaps++
		}
	}
	if deltas == 0 || bitmaps == 0 {
		t.Errorf("%d sets as deltas and %d as bitmaps: one way was never tried", deltas, bitmaps)
	}
}

func TestBadHeldSetsAreRefused(t *testing.T) {
	for what, j := range map[string]heldJSON{
		"no position":              {First: "0", Through: 1, Count: 1},
		"count 0":                  {First: "4", Through: 1},
		"too many":                 {First: "4", Through: 1, Count: MaxHeld + 1},
		"more than there are":      {First: "4", Through: 9, Count: 3, Deltas: []byte{0}},
		"fewer than there are":     {First: "4", Through: 9, Count: 2, Deltas: []byte{0, 0}},
		"both ways":                {First: "4", Through: 9, Count: 3, Deltas: []byte{0}, Bitmap: []byte{1}},
		"a delta without end":      {First: "4", Through: 9, Count: 2, Deltas: []byte{0x80}},
		"an ordinal above 32 bits": {First: "4", Through: 1 << 40, Count: 2, Deltas: []byte{0xff, 0xff, 0xff, 0xff, 0x0f}},
		"the last above the end":   {First: "4", Through: 1, Count: 2, Deltas: []byte{0}},
		"a position with a zero":   {First: "04", Through: 1, Count: 1},
		"a position without a sub": {First: "4/", Through: 1, Count: 1},
		"a position without a seq": {First: "/4", Through: 1, Count: 1},
		"a negative position":      {First: "-4", Through: 1, Count: 1},
	} {
		if got, err := j.held(); err == nil {
			t.Errorf("%s is read as %v", what, got)
		}
	}
}

func TestALongHeldSetIsShort(t *testing.T) {
	const n = 1_000_000
	h := stream.HeldSet{First: pos(1), Through: n}
	for i := range uint32(n) {
		h.Ordinals = append(h.Ordinals, i)
	}
	body, err := EncodeHeld(h)
	if err != nil || len(body) > n/8*4/3+300 {
		t.Errorf("%d held records take %d bytes, %v: a bitmap needs less", n, len(body), err)
	}
}
