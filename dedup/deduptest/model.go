package deduptest

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/onceflow/onceflow/dedup"
)

// Contract: a table does what a map of ID to (record, bucket) does.
func testModel(t *testing.T, s *suite, records int) {
	type held struct {
		by     dedup.Holder
		bucket int64
	}
	h, at := s.open(t, space("a")), start()
	r := rand.New(rand.NewPCG(1, 2))
	model := map[uint64]held{}
	var past []dedup.Claim
	clock := at
	for made := 0; made < records; {
		n := 1 + r.IntN(min(2000, records/4+1))
		made += n
		batch := make([]dedup.Claim, n)
		for i := range batch {
			// IDs come again after a while, or soon; times are at or after the clock.
			c := claim(r.IntN(made+records/10), clock.Add(time.Duration(r.Int64N(int64(3*time.Hour)))), int64(made+i))
			switch {
			case r.IntN(50) == 0:
				c = force(c)
			case !s.noHolders && len(past) > 0 && r.IntN(10) == 0:
				c = past[r.IntN(len(past))] // a record is read again
				c.Force = false
			}
			batch[i] = c
			past = append(past, c)
		}
		won := h.batch(batch...)
		for i, c := range batch {
			m, known := model[key(c)]
			want := !known || c.Force || m.by == c.By && !s.noHolders
			if won[i] != want {
				t.Fatalf("claim %d of %d by %v: won %v, want %v", i, n, c.By.Position, won[i], want)
			}
			b := dedup.BucketOf(c.Time, time.Hour)
			switch {
			case !known:
				model[key(c)] = held{c.By, b}
			case c.Force:
				model[key(c)] = held{c.By, max(m.bucket, b)}
			}
		}
		if r.IntN(3) == 0 {
			clock = clock.Add(time.Duration(r.Int64N(int64(2 * time.Hour))))
			h.expire(clock)
			past = past[:0] // those may be older than the clock
			for id, m := range model {
				if m.bucket < dedup.BucketOf(clock, time.Hour) {
					delete(model, id)
				}
			}
		}
	}
}
