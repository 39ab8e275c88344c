package main

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"
)

func bytesOf(t *testing.T, s string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A set as the library writes it, and a step from it: see internal/ledger/testdata/blob-pending.golden.
func TestAPendingSetFollowsFromTheOneBefore(t *testing.T) {
	base := &pending{First: "4", Through: 301, Count: 3, Runs: bytesOf(t, "P8cR+A==")}
	step := &pendingStep{First: "5", Through: 400, Count: 3, Shift: 1, Gone: 1, More: 1, MoreRuns: bytesOf(t, "5f/8"), CRC32C: 2287557125}
	if set, err := base.ordinals(); err != nil || !slices.Equal(set, []uint64{0, 1, 300}) {
		t.Fatalf("the first set is %v (%v)", set, err)
	}
	next, err := step.from(base)
	if err != nil {
		t.Fatal(err)
	}
	if set, err := next.ordinals(); err != nil || !slices.Equal(set, []uint64{0, 299, 310}) || next.First != "5" || next.Through != 400 {
		t.Errorf("the next set is %v (%v)", set, err)
	}
	for name, other := range map[string]*pending{
		"none": nil, "one": {First: "4", Through: 301, Count: 1}, "another": {First: "4", Through: 302, Count: 3, Runs: base.Runs},
	} {
		if next, err := step.from(other); err == nil || !strings.Contains(err.Error(), "a step of a pending set") {
			t.Errorf("from a base that is %s: %+v, %v", name, next, err)
		}
	}
}
