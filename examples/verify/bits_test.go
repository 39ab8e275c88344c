package main

import (
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/onceflow/onceflow/examples/verify/internal/bucket"
)

// A bit in the name of a field whose value was zero was not noticed: encoding/json passes over names that it does not know,
// and takes capital letters for small ones.
func TestEveryBitOfAManifestCounts(t *testing.T) {
	dir := bucket.Folder(realOutput(t))
	r := &report{out: io.Discard}
	objects, err := bucket.Sizes(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	jobs, err := findJobs(dir, r, objects)
	if err != nil || len(jobs) != 1 {
		t.Fatalf("%d jobs, %v", len(jobs), err)
	}
	l := jobs[0]
	if err := l.load(t.Context(), objects); err != nil || r.violations > 0 {
		t.Fatalf("%d violations, %v", r.violations, err)
	}
	checked := 0
	flip := func(key string, empty func() any, want any) {
		t.Helper()
		body, err := bucket.Read(t.Context(), dir, key, maxManifest)
		if err != nil {
			t.Fatal(err)
		}
		if diff := compareJSON(body, empty(), want); diff != "" {
			t.Fatalf("%s: %s", key, diff)
		}
		checked++
		for i := range body {
			for bit := range 8 {
				body[i] ^= 1 << bit
				if compareJSON(body, empty(), want) == "" {
					t.Errorf("%s: bit %d of byte %d, near %q, is not missed", key, bit, i, body[max(0, i-20):min(len(body), i+20)])
				}
				body[i] ^= 1 << bit
			}
		}
	}
	slices.SortFunc(l.commits.list, func(a, b *committed) int { return len(a.files) - len(b.files) })
	few := l.commits.list[0]
	flip(fmt.Sprintf("%smanifests/s0000/%020d.json", l.place.root, few.id), func() any { return new(manifest) }, l.place.manifestOf(few))
	var c *closing
	var h time.Time // the shortest manifest is that of an hour without files, which any of the Closes may have
	for _, c = range l.hours.closes {
		for h = c.close.From; h.Before(c.close.Through) && len(l.hours.files[h.UTC()]) > 0; {
			h = h.Add(l.place.hour)
		}
		if h.Before(c.close.Through) {
			break
		}
	}
	if !h.Before(c.close.Through) {
		t.Fatal("no hour is without files")
	}
	want := l.hours.manifestOf(c, h)
	flip(l.place.root+"hours/"+l.place.hourName(h)+".json", func() any { return new(hourManifest) }, want)
	if checked < 2 {
		t.Errorf("%d objects were looked at, want some of each kind", checked)
	}
}
