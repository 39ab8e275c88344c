package dedup

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"
)

func claimOfNumber(i int, at time.Time) Claim {
	c := Claim{Time: at}
	r := rand.NewPCG(uint64(i), 7)
	binary.LittleEndian.PutUint64(c.ID[:8], r.Uint64())
	binary.LittleEndian.PutUint64(c.ID[8:], r.Uint64())
	return c
}

// With 255 buckets alive each record of another bucket once had all places of the table looked at: 52 ms for each.
func TestNoRecordPaysForAllPlaces(t *testing.T) {
	start := time.Date(2025, 5, 1, 0, 0, 0, 0, time.UTC)
	r := rand.New(rand.NewPCG(1, 2))
	for name, c := range map[string]struct {
		buckets int                                  // of the window
		at      func(i int, now time.Time) time.Time // of the i-th record
	}{
		"a window of 1,000 buckets": {MaxBuckets, func(_ int, now time.Time) time.Time { return now }},
		"every tenth record of some time in 1,000 years": {24, func(i int, now time.Time) time.Time {
			if i%10 == 0 {
				return now.Add(-time.Duration(r.IntN(1000*365*24)) * time.Hour)
			}
			return now
		}},
		"every tenth record of some time to come": {24, func(i int, now time.Time) time.Time {
			if i%10 == 0 {
				return now.Add(time.Duration(r.IntN(100*365*24)) * time.Hour)
			}
			return now
		}},
	} {
		t.Run(name, func(t *testing.T) {
			table := newMemTable(time.Hour, 1, 2)
			const records, perHour = 60_000, 20
			var won [1]bool
			for i := range records {
				now := start.Add(time.Duration(i/perHour) * time.Hour)
				if err := table.Claim(t.Context(), []Claim{claimOfNumber(i, c.at(i, now))}, won[:]); err != nil || !won[0] {
					t.Fatalf("record %d: won %t, %v", i, won[0], err)
				}
				if i%perHour == 0 {
					if err := table.Expire(t.Context(), now.Add(-time.Duration(c.buckets)*time.Hour)); err != nil {
						t.Fatal(err)
					}
				}
			}
			if most := records/spareTags + 1; table.sweeps > most {
				t.Errorf("%d records had all places looked at %d times, want at most %d", records, table.sweeps, most)
			}
			last := claimOfNumber(records-2, c.at(records-2, start.Add((records-2)/perHour*time.Hour)))
			if _ = table.Claim(t.Context(), []Claim{last}, won[:]); won[0] {
				t.Error("an ID is not known any more")
			}
			first := claimOfNumber(1, start.Add(records/perHour*time.Hour))
			if _ = table.Claim(t.Context(), []Claim{first}, won[:]); !won[0] {
				t.Error("an ID of long ago is not forgotten")
			}
		})
	}
}

// Where no tag is free IDs are remembered for longer, never for less.
func TestBucketsWithoutATagAreRememberedForLonger(t *testing.T) {
	var tags tags
	tags.init()
	for i := range int64(maxTags) {
		if _, ok := tags.get(10 * i); !ok {
			t.Fatalf("no tag for bucket %d", i)
		}
	}
	if _, ok := tags.get(5); ok {
		t.Fatal("a tag too many")
	}
	newest := tags.byBucket[10*(maxTags-1)]
	for bucket, want := range map[int64]uint16{5: tags.byBucket[10], -7: tags.byBucket[0], 10*maxTags - 11: newest} {
		if got := tags.share(bucket); got != want {
			t.Errorf("bucket %d shares the tag of %d", bucket, tags.of[got])
		}
	}
	if got := tags.share(10 * maxTags); got != newest || tags.of[got] != 10*maxTags {
		t.Errorf("a newer bucket has the tag of %d", tags.of[got])
	}
	tags.expire(21)
	if n := tags.deaths; n != 3 || !tags.dead[1] || !tags.dead[3] || tags.dead[4] || len(tags.ascending) != maxTags-3 {
		t.Errorf("%d are dead, want those of buckets 0, 10 and 20", n)
	}
}
