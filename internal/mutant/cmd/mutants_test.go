package main

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A mistake that the edits know and the list does not is never tried, and one that is in the list alone survives.
func TestTheListNamesWhatIsPlanted(t *testing.T) {
	var listed []string
	for _, m := range mutants {
		if m.what == "" || len(m.tests) == 0 {
			t.Errorf("%s says too little", m.id)
		}
		listed = append(listed, m.id)
	}
	if got := slices.Sorted(maps.Keys(planted())); !slices.Equal(got, slices.Sorted(slices.Values(listed))) {
		t.Errorf("planted are %v\nlisted are %v", got, listed)
	}
}

// A test that has moved away or has another name notices nothing.
func TestTheTestsAreWhereTheListSays(t *testing.T) {
	name := regexp.MustCompile(`(?m)^func (Test\w+)`)
	for _, m := range mutants {
		for _, at := range m.tests {
			p, match, _ := strings.Cut(at, "#")
			files, err := filepath.Glob(filepath.Join("../../..", filepath.FromSlash(p), "*_test.go"))
			if err != nil {
				t.Fatal(err)
			}
			found := false
			for _, f := range files {
				body, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				for _, n := range name.FindAllStringSubmatch(string(body), -1) {
					found = found || regexp.MustCompile(match).MatchString(n[1])
				}
			}
			if !found {
				t.Errorf("%s is to be noticed by %s: there is no such test", m.id, at)
			}
		}
	}
}

// Whoever changes code that an edit quotes changes the edit too.
func TestEditsApply(t *testing.T) {
	texts := read(t)
	if _, err := texts.apply(edits); err != nil {
		t.Error(err)
	}
}

// An edit may name what has another name since.
func TestEditsCompile(t *testing.T) {
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	file, err := overlay(root, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	build := []string{"build", "-overlay", file}
	for _, e := range edits {
		if p := "./" + e.folder; !slices.Contains(build, p) {
			build = append(build, p)
		}
	}
	c := exec.Command("go", build...)
	c.Dir = root
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// What users build knows nothing of mistakes.
func TestProductionCodeAsksForNoMistake(t *testing.T) {
	asks := regexp.MustCompile(`\bmutant\.|internal/mutant"`)
	for path, text := range read(t) {
		if m := asks.FindString(text); m != "" {
			t.Errorf("%s has %s: mistakes are edits of the source, see edits.go", path, m)
		}
	}
}

func read(t *testing.T) sources {
	texts, err := readSources("../../..")
	if err != nil {
		t.Fatal(err)
	}
	if len(texts) < 100 {
		t.Fatalf("found %d files", len(texts))
	}
	return texts
}
