package main

import (
	"bytes"
	"strings"
	"testing"
)

// Each was once 216 violations of a job in which nothing was wrong.
func TestAPlaceThatIsNoJobsRootIsTold(t *testing.T) {
	moved := func(change func(key string) string) memory {
		w := good(t)
		w.write(t)
		m := memory{}
		for key, body := range w.m {
			if key = change(key); key != "" {
				m[key] = body
			}
		}
		return m
	}
	for name, c := range map[string]struct {
		m    memory
		want string
	}{
		"a folder above":     {moved(func(key string) string { return "team/out/" + key }), `relative to "team/out/"`},
		"a folder below":     {moved(func(key string) string { return strings.TrimPrefix(key, prefix) }), `begin with "x/"`},
		"a name cut in half": {moved(func(key string) string { return "/" + key }), `relative to "/"`},
	} {
		said, violations, err := checked(t, c.m)
		if err == nil || !strings.Contains(err.Error(), "no job's root") || !strings.Contains(err.Error(), c.want) || strings.Contains(said, "VIOLATION") {
			t.Errorf("%s: got %v, %d violations and\n%s\nwant an error that says %s", name, err, violations, said, c.want)
		}
	}
	for _, place := range []string{"s3://bucket/out", "gs://bucket/a/out"} {
		var out, errOut bytes.Buffer
		if code := run(t.Context(), []string{place}, &out, &errOut); code != 2 || !strings.Contains(errOut.String(), "is it "+place+"/?") {
			t.Errorf("%s: %d, %s", place, code, &errOut)
		}
	}
}

// It said that all is well, though a committed file could never be published any more.
func TestWhatIsNotPublishedIsNotWell(t *testing.T) {
	w := good(t)
	w.write(t)
	delete(w.m, prefix+"rows/day=2025-05-01/hour=08/o3-1-0.jsonl")
	var out bytes.Buffer
	r := &report{out: &out, most: 10}
	if err := verify(t.Context(), w.m, "", r); err != nil || r.unpublished != 1 || r.unpublishedRows == 0 {
		t.Errorf("got %v, %d files with %d rows that are not published, want 1:\n%s", err, r.unpublished, r.unpublishedRows, &out)
	}
}
