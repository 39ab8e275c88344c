package kinesis

import (
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestHashKeysAreNumbersOf128Bits(t *testing.T) {
	most := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 128), big.NewInt(1))
	rnd := rand.New(rand.NewPCG(1, 1))
	numbers := []string{"0", "9", "18446744073709551615", "18446744073709551616", half, halfLess, wholeRange, most.String(), "00017", strings.Repeat("0", 60) + "5"}
	for range 1000 {
		n := new(big.Int).Rsh(new(big.Int).Add(new(big.Int).Lsh(new(big.Int).SetUint64(rnd.Uint64()), 64), new(big.Int).SetUint64(rnd.Uint64())), uint(rnd.IntN(128)))
		numbers = append(numbers, n.String())
	}
	for _, s := range numbers {
		want, _ := new(big.Int).SetString(s, 10)
		h, err := parseHash(s)
		got := new(big.Int).Add(new(big.Int).Lsh(new(big.Int).SetUint64(h.hi), 64), new(big.Int).SetUint64(h.lo))
		if err != nil || got.Cmp(want) != 0 {
			t.Errorf("%s: got %v, %v", s, got, err)
		}
	}
	past := new(big.Int).Add(most, big.NewInt(1))
	for _, s := range []string{"", "-1", "+1", "1a", " 1", "1.0", past.String(), past.String() + "0", strings.Repeat("9", 39), strings.Repeat("9", 400)} {
		if h, err := parseHash([]byte(s)); err == nil {
			t.Errorf("%q is taken for %v", s, h)
		}
	}
}

// Keys that were looked up for one aggregate are not taken for those of the next one.
func TestKeysAreLookedUpForEachAggregate(t *testing.T) {
	whole := hashRange{to: hash{^uint64(0), ^uint64(0)}}
	if k := []byte("user"); !whole.has(hashOf(k)) {
		t.Fatalf("%v is nowhere", hashOf(k))
	}
	u, in := unpackAll(100, 3)
	want := 0
	for i := range in {
		rs, err := u.agg.Unpack(in[i].Data)
		if err != nil {
			t.Fatal(err)
		}
		for k := range rs {
			if u.keys.has(hashOf(rs[k].Key)) {
				want++
			}
		}
	}
	ds, _, _, err := u.unpack(in, &plan{phase: following}, []*delivery{newDelivery(s0, false)})
	if err != nil {
		t.Fatal(err)
	}
	if got := len(ds[0].Records); got != want || want == 0 || want == 300 {
		t.Errorf("%d of 300 user records are passed on, want %d", got, want)
	}
}
