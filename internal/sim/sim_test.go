package sim

import (
	"bytes"
	"strings"
	"testing"
)

// seeds is what runs with every test; `make sim` runs more.
const seeds = 250

func TestNoRunBreaksAnInvariant(t *testing.T) {
	n := uint64(seeds)
	if testing.Short() {
		n /= 4
	}
	var total Result
	for seed := range n {
		r := Run(seed, nil)
		if len(r.Violations) > 0 {
			t.Fatalf("seed %d: %s", seed, strings.Join(r.Violations, "\n"))
		}
		total.Entries, total.Seals, total.Descended = total.Entries+r.Entries, total.Seals+r.Seals, total.Descended+r.Descended
	}
	if total.Entries < int(n) || total.Seals < int(n) || total.Descended < int(n) {
		t.Errorf("%d entries, %d of them of children, and %d seals in %d runs: they test too little", total.Entries, total.Descended, total.Seals, n)
	}
}

// A violation that cannot be seen again cannot be understood.
func TestASeedReplaysToTheSameTrace(t *testing.T) {
	for seed := range uint64(20) {
		var first, second bytes.Buffer
		a, b := Run(seed, &Options{Trace: &first}), Run(seed, &Options{Trace: &second})
		if a.Hash == b.Hash && first.String() == second.String() {
			continue
		}
		x, y := strings.Split(first.String(), "\n"), strings.Split(second.String(), "\n")
		for i := range x {
			if i >= len(y) || x[i] != y[i] {
				t.Fatalf("seed %d differs at line %d:\n%s\n%s", seed, i, x[i], y[min(i, len(y)-1)])
			}
		}
	}
}

func TestSeedsDiffer(t *testing.T) {
	if a, b := Run(1, nil), Run(2, nil); a.Hash == b.Hash {
		t.Error("two seeds have one trace: the hash says nothing")
	}
}

func TestReshardsAreInEveryRunIfToldTo(t *testing.T) {
	for seed := range uint64(20) {
		r := Run(seed, &Options{Reshard: true})
		if len(r.Violations) > 0 || r.Reshards == 0 {
			t.Errorf("seed %d: %d splits and merges, violations %q", seed, r.Reshards, r.Violations)
		}
	}
}
