package main

import (
	"bytes"
	"maps"
	"strings"
	"testing"
)

// checked returns what the checker says of w, and how many violations it found.
func checked(t *testing.T, m memory) (said string, violations int, err error) {
	t.Helper()
	var out bytes.Buffer
	r := &report{out: &out, most: 1000}
	err = verify(t.Context(), m, "", r)
	return out.String(), r.violations, err
}

func TestAGoodFolderHasNoViolations(t *testing.T) {
	w := good(t)
	w.write(t)
	said, violations, err := checked(t, w.m)
	if violations > 0 || err != nil {
		t.Fatalf("got %v and\n%s", err, said)
	}
	for _, want := range []string{
		"9 entries, 5 commits, 1 closes, 1 snapshots", "7 with 16 rows", "manifests  3\n", "1 closed, 1 sealed: 2025-05-01T06:00Z to 2025-05-01T07:00Z",
		"21 read = 14 written + 1 merged + 2 filtered + 1 duplicate + 1 late + 1 dead + 1 pending, in 5 partitions", "0 stray files",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q, but\n%s", want, said)
		}
	}
}

// part returns a partition of a commit.
func (w *world) part(entry, lane, n int) *partitionRow {
	return &w.entries[entry-1].Commit.Lanes[lane].Partitions[n]
}

func (w *world) files(entry int) []file { return w.entries[entry-1].Commit.Files }

// Each violation that can be made is found, and said where it is.
func TestViolationsAreFound(t *testing.T) {
	for _, table := range []map[string]change[*world]{before, more} {
		for name, c := range table {
			t.Run(name, func(t *testing.T) {
				w := good(t)
				c.change(w)
				w.write(t)
				wantViolation(t, w.m, c.want)
			})
		}
	}
	for name, c := range after {
		t.Run(name, func(t *testing.T) {
			w := good(t)
			w.write(t)
			c.change(w.m)
			wantViolation(t, w.m, c.want)
		})
	}
}

func wantViolation(t *testing.T, m memory, want string) {
	t.Helper()
	said, violations, err := checked(t, m)
	if violations == 0 || err != nil || !strings.Contains(said, want) {
		t.Errorf("got %v and\n%swant a violation: %s", err, said, want)
	}
}

type change[T any] struct {
	change func(T)
	want   string
}

// Any flipped byte of an entry is found.
func TestEveryByteOfAnEntryCounts(t *testing.T) {
	w := good(t)
	w.write(t)
	key := object20("", 4, "")
	for i := range w.m[key] {
		m := maps.Clone(w.m)
		flip(key, i)(m)
		if said, violations, err := checked(t, m); violations == 0 || err != nil {
			t.Fatalf("byte %d: got %v and\n%s", i, err, said)
		}
	}
}

// What needs a newer checker is no violation and no pass: it cannot be checked.
func TestNewerFormatsAreNotJudged(t *testing.T) {
	for name, change := range map[string]func(*world){
		"min_reader": func(w *world) { w.entries[4].header = header{3, 3} },
		"layout":     func(w *world) { w.genesis.Layout = "hive3" },
		"genesis":    func(w *world) { w.genesis.header = header{4, 3} },
		"epoch":      func(w *world) { w.m[prefix+"_onceflow/job/e0002/genesis.json"] = nil },
	} {
		w := good(t)
		change(w)
		w.write(t)
		if said, _, err := checked(t, w.m); err == nil || !strings.Contains(err.Error(), "newer reader") {
			t.Errorf("%s: got %v and\n%s", name, err, said)
		}
	}
}

// A job that runs, or was killed, has entries whose files are not all published.
func TestUnfinishedWorkIsNoViolation(t *testing.T) {
	w := good(t)
	w.write(t)
	delete(w.m, prefix+"rows/day=2025-05-01/hour=08/o3-1-0.jsonl")
	if said, violations, err := checked(t, w.m); violations > 0 || err != nil || !strings.Contains(said, "not published yet") {
		t.Errorf("got %v and\n%s", err, said)
	}
}
