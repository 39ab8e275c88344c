package ledger

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/onceflow/onceflow/stream/driver"
)

func randomPending(r *rand.Rand) driver.PendingSet {
	h := driver.PendingSet{First: pos(1 + r.Int64N(1e9)), Ordinals: []uint32{0}}
	gap := uint32(1) << r.IntN(12)
	for range r.IntN(400) {
		h.Ordinals = append(h.Ordinals, h.Ordinals[len(h.Ordinals)-1]+1+r.Uint32N(gap))
	}
	h.Through = uint64(h.Ordinals[len(h.Ordinals)-1]) + 1 + r.Uint64N(5)
	return h
}

func TestPendingSetsComeBack(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		h := randomPending(r)
		j, err := toPending(h)
		if err != nil {
			t.Fatal(err)
		}
		got, err := j.pending()
		if err != nil || !reflect.DeepEqual(got, h) {
			t.Fatalf("got %v, %v, want %v", got, err, h)
		}
	}
}

func TestBadPendingSetsAreRefused(t *testing.T) {
	two := encodeRuns([]uint32{0})
	for what, j := range map[string]pendingJSON{
		"no position":              {First: "0", Through: 1, Count: 1},
		"count 0":                  {First: "4", Through: 1},
		"too many":                 {First: "4", Through: 1, Count: MaxPending + 1},
		"more than there are":      {First: "4", Through: 9, Count: 3, Runs: encodeRuns([]uint32{0, 1, 2, 3, 4, 5})},
		"an ordinal above 32 bits": {First: "4", Through: 1 << 40, Count: 40, Runs: []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
		"the last above the end":   {First: "4", Through: 1, Count: 2, Runs: two},
		"a position with a zero":   {First: "04", Through: 1, Count: 1},
		"a position without a sub": {First: "4/", Through: 1, Count: 1},
		"a position without a seq": {First: "/4", Through: 1, Count: 1},
		"a negative position":      {First: "-4", Through: 1, Count: 1},
	} {
		if got, err := j.pending(); err == nil {
			t.Errorf("%s is read as %v", what, got)
		}
	}
}

func TestALongPendingSetIsShort(t *testing.T) {
	const n = 1_000_000
	h := driver.PendingSet{First: pos(1), Through: n}
	for i := range uint32(n) {
		h.Ordinals = append(h.Ordinals, i)
	}
	if j, err := toPending(h); err != nil || len(j.Runs) > 20 {
		t.Errorf("%d pending records in a row take %d bytes, %v", n, len(j.Runs), err)
	}
}
