package service

import (
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestHashKeysAreNumbersOf128Bits(t *testing.T) {
	most := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 128), big.NewInt(1))
	rnd := rand.New(rand.NewPCG(1, 1))
	numbers := []string{"0", "9", "18446744073709551615", "18446744073709551616", "170141183460469231731687303715884105728", "170141183460469231731687303715884105727", most.String(), "00017", strings.Repeat("0", 60) + "5"}
	for range 1000 {
		n := new(big.Int).Rsh(new(big.Int).Add(new(big.Int).Lsh(new(big.Int).SetUint64(rnd.Uint64()), 64), new(big.Int).SetUint64(rnd.Uint64())), uint(rnd.IntN(128)))
		numbers = append(numbers, n.String())
	}
	for _, s := range numbers {
		want, _ := new(big.Int).SetString(s, 10)
		h, err := ParseHash(s)
		got := new(big.Int).Add(new(big.Int).Lsh(new(big.Int).SetUint64(h.Hi), 64), new(big.Int).SetUint64(h.Lo))
		if err != nil || got.Cmp(want) != 0 {
			t.Errorf("%s: got %v, %v", s, got, err)
		}
	}
	past := new(big.Int).Add(most, big.NewInt(1))
	for _, s := range []string{"", "-1", "+1", "1a", " 1", "1.0", past.String(), past.String() + "0", strings.Repeat("9", 39), strings.Repeat("9", 400)} {
		if h, err := ParseHash([]byte(s)); err == nil {
			t.Errorf("%q is taken for %v", s, h)
		}
	}
}
