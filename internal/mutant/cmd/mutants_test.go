package main

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A mistake that is planted and not in the list is never tried, and one that is listed and not planted survives.
func TestTheListNamesWhatIsPlanted(t *testing.T) {
	planted := map[string]bool{}
	call := regexp.MustCompile(`mutant\.On\("(\w+)"\)`)
	err := filepath.WalkDir("../../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.Contains(path, "internal/mutant/") {
			return err
		}
		body, err := os.ReadFile(path)
		for _, m := range call.FindAllStringSubmatch(string(body), -1) {
			planted[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, m := range mutants {
		if m.what == "" || len(m.tests) == 0 {
			t.Errorf("%s says too little", m.id)
		}
		listed = append(listed, m.id)
	}
	if got := slices.Sorted(maps.Keys(planted)); !slices.Equal(got, slices.Sorted(slices.Values(listed))) {
		t.Errorf("planted are %v\nlisted are %v", got, listed)
	}
}
