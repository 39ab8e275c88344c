package torture

import (
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/onceflow/onceflow/internal/servers/servertest"
)

// Which of the last keys are idle was once taken for granted, and a merge joined them with busy ones.
//
// However shards are split and merged, they cover all keys, and none has busy and idle ones: else a stray record would
// belong where it was put.
func TestIdleKeysStayApart(t *testing.T) {
	r := &resharder{client: newKinesisClient(servertest.KinesisLocal(t).Endpoint()), rnd: rand.New(rand.NewPCG(2, 2)), say: t.Logf}
	if err := r.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	for r.splits+r.merges < 25 {
		if err := r.change(t.Context()); err != nil {
			t.Fatal(err)
		}
		shards, err := r.open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		next, apart := new(big.Int), false
		for _, s := range shards {
			if s.from.Cmp(next) != 0 {
				t.Fatalf("after %d splits and %d merges: %s begins at %v, want %v", r.splits, r.merges, s.id, s.from, next)
			}
			apart = apart || s.from.Cmp(r.idleFrom) == 0
			next = new(big.Int).Add(s.to, big.NewInt(1))
		}
		if next.BitLen() != 129 || next.TrailingZeroBits() != 128 || !apart {
			t.Fatalf("after %d splits and %d merges: keys end at %v, idle apart: %v, shards %v", r.splits, r.merges, next, apart, shards)
		}
	}
}
