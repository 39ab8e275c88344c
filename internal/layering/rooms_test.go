package layering

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// mostPackageFiles is how many files without tests a package may have, so that who stands in one file knows what they may touch.
const mostPackageFiles = 15

var roomRow = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ")

// A package that has more is split into rooms, or docs/architecture.md says why it is one.
func TestALargePackageSaysWhyItIsOneRoom(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(doc), "\n## Rooms of more than 15 files\n")
	if !found {
		t.Fatal("docs/architecture.md does not have the section that lists large packages")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	said := map[string]bool{}
	for _, m := range roomRow.FindAllStringSubmatch(section, -1) {
		said[m[1]] = true
	}
	files := map[string]int{}
	for _, f := range sources(t) {
		files[path.Dir(f)]++
	}
	for folder, n := range files {
		if n > mostPackageFiles && !said[folder] {
			t.Errorf("%s has %d files, at most %d are allowed: split it into rooms, or say in docs/architecture.md why it is one", folder, n, mostPackageFiles)
		}
	}
	for folder := range said {
		if files[folder] <= mostPackageFiles {
			t.Errorf("%s has %d files: take it out of the large rooms of docs/architecture.md", folder, files[folder])
		}
	}
}

// order lists the rooms within a package from the door downwards. A room may import those behind it only.
var order = map[string][]string{
	"sink":         {"place", "hours", "merge", "txn", "upkeep", "journal", "files", "content", "pack", "clock", "retry"},
	"stream":       {"several", "lane", "reasons", "guard"},
	"stream/kafka": {"group", "fetch", "proof", "cluster", "batch", "wire", "fault"},
}

// alone lists packages none of whose rooms may import another.
var alone = []string{"stream/kinesis", "stream/file", "examples/verify"}

func TestRoomsImportDownwards(t *testing.T) {
	for _, p := range list(t) {
		self, _ := rel(p.ImportPath)
		door, room, inside := strings.Cut(self, "/internal/")
		rooms := order[door]
		if !inside || isTest(self) || rooms == nil && !slices.Contains(alone, door) {
			continue
		}
		at := slices.Index(rooms, room)
		if at < 0 && rooms != nil {
			t.Errorf("%s is not in the order of the rooms of %s", self, door)
		}
		for _, imp := range p.Imports {
			to, _ := rel(imp)
			other, ours := strings.CutPrefix(to, door+"/internal/")
			if ours && slices.Index(rooms, other) <= at {
				t.Errorf("%s imports %s, which is not below it", self, to)
			}
			if to == door {
				t.Errorf("%s imports %s, whose room it is", self, to)
			}
		}
	}
}
