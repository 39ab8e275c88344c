package pebble

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/onceflow/onceflow/dedup"
)

// Each bucket has a filter, at which each record looks: those of odd times once made all records ever slower.
func TestOddTimesMakeFewFilters(t *testing.T) {
	store, err := Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	opened, err := store.Open(t.Context(), dedup.Space{Lane: "a", Window: 24 * time.Hour, Bucket: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2025, 5, 1, 0, 0, 0, 0, time.UTC)
	claims, won := make([]dedup.Claim, 2000), make([]bool, 2000)
	for i := range claims {
		claims[i].Time = now
		if i%2 == 1 {
			claims[i].Time = now.Add(-time.Duration(i*7919%100_000) * time.Hour)
		}
		binary.LittleEndian.PutUint64(claims[i].ID[:], uint64(i)*0x9e3779b97f4a7c15)
		binary.LittleEndian.PutUint64(claims[i].ID[8:], uint64(i)*0xbf58476d1ce4e5b9)
	}
	for _, want := range []bool{true, false} {
		if err := opened.Claim(t.Context(), claims, won); err != nil {
			t.Fatal(err)
		}
		for i := range won {
			if won[i] != want {
				t.Fatalf("record %d at %s: won %t, want %t", i, claims[i].Time, won[i], want)
			}
		}
	}
	table := opened.(*table)
	if n := len(table.filters); n > 24+spareBuckets || n != len(table.buckets) {
		t.Errorf("%d filters for %d buckets, want at most %d", n, len(table.buckets), 24+spareBuckets)
	}
	if err := opened.Expire(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	if err := opened.Claim(t.Context(), claims[1:2], won[:1]); err != nil || len(table.filters) > 2 {
		t.Errorf("%d filters are left, want those of the newest bucket and of the claim (%v)", len(table.filters), err)
	}
}
