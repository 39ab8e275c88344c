package main

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/onceflow/onceflow/examples/verify/internal/bucket"
	sinkfile "github.com/onceflow/onceflow/sink/file"
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

// withStaging is a bucket that tells what is staged.
type withStaging struct {
	memory
	keys []string
}

func (s withStaging) Staged(_ context.Context, key string) (bool, error) {
	return slices.Contains(s.keys, key), nil
}

// A file that is lost was once told as one that is published within minutes, since nobody looked what is staged.
func TestAFileThatIsLostIsNotLate(t *testing.T) {
	w := good(t)
	w.write(t)
	key := prefix + "rows/day=2025-05-01/hour=08/o3-1-0.jsonl"
	delete(w.m, key)
	for _, c := range []struct {
		staged             []string
		violations, unpubl int
	}{{[]string{"another", key}, 0, 1}, {[]string{"another"}, 1, 0}, {nil, 1, 0}} {
		var out bytes.Buffer
		r := &report{out: &out, most: 10}
		err := verify(t.Context(), withStaging{w.m, c.staged}, "", r)
		if err != nil || r.violations != c.violations || r.unpublished != int64(c.unpubl) || c.violations > 0 != strings.Contains(out.String(), "it can never be published") {
			t.Errorf("staged %q: got %v, %d violations and %d files that are not published, want %d and %d:\n%s",
				c.staged, err, r.violations, r.unpublished, c.violations, c.unpubl, &out)
		}
	}
}

func TestStagedFilesOfAFolderAreFoundByTheirKeys(t *testing.T) {
	dir := t.TempDir()
	store, err := sinkfile.Open(dir, &sinkfile.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	want := []string{"all/day=2025-05-01/hour=06/o1-1-0.jsonl", "all/" + strings.Repeat("key=value/", 30) + "o1-1-1.jsonl"}
	for _, key := range want {
		u, err := store.Stage(t.Context(), key, "o1", 0)
		if err == nil {
			_, err = u.Write([]byte("row\n"))
		}
		if err == nil {
			_, err = u.Close(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, b := range []struct {
		dir    string
		keys   []string
		staged bool
	}{{dir, want, true}, {dir, []string{"all", want[0] + "x", want[1][1:]}, false}, {t.TempDir(), want, false}} {
		for _, key := range b.keys {
			if got, err := bucket.Folder(b.dir).Staged(t.Context(), key); got != b.staged || err != nil {
				t.Errorf("%s: staged %v, %v, want %v", key, got, err, b.staged)
			}
		}
	}
}
