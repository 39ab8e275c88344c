package readme

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	declared = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Z]\w*)\(`)
	rule     = regexp.MustCompile(`\{"([A-Z]\w+)", `)
	name     = regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w*`)
	named    = regexp.MustCompile("`([^`]+)`" + `|\b((?:Test|Fuzz)[A-Z]\w*)|\bsuite ([A-Z]\w+)`)
	mutantID = regexp.MustCompile(`(?m)^\t\{"(T\d+[a-z]?)", `)
)

// tests returns the tests of each folder, and the rules of the conformance suites.
func tests(t *testing.T) (byFolder map[string][]string, rules []string) {
	t.Helper()
	byFolder = map[string][]string{}
	err := fs.WalkDir(os.DirFS(filepath.Join("..", "..")), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && strings.HasPrefix(d.Name(), ".") && p != "." {
			if d != nil && d.IsDir() {
				return fs.SkipDir
			}
			return err
		}
		dir := path.Dir(p)
		if d.IsDir() || path.Ext(p) != ".go" {
			return nil
		}
		byFolder[dir] = append(byFolder[dir], "")
		switch {
		case strings.HasSuffix(p, "_test.go"):
			src := read(t, p)
			for _, m := range declared.FindAllStringSubmatch(src, -1) {
				byFolder[dir] = append(byFolder[dir], m[1])
			}
		case strings.HasSuffix(dir, "test"):
			src := read(t, p)
			for _, m := range rule.FindAllStringSubmatch(src, -1) {
				rules = append(rules, m[1])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return byFolder, rules
}

// A test that a document names must exist, in docs/testing.md and docs/workers.md in the folder that stands before it on its line, and a rule
// of a suite likewise. So what is said to be tested is.
func TestTestsThatTheDocumentsNameExist(t *testing.T) {
	byFolder, rules := tests(t)
	for _, doc := range []string{"testing.md", "protocol.md", "workers.md"} {
		if _, err := os.Stat(filepath.Join("..", "..", "docs", doc)); err != nil {
			t.Logf("%v", err) // the links to it fail elsewhere
			continue
		}
		for n, line := range strings.Split(read(t, "docs", doc), "\n") {
			folder := ""
			for _, m := range named.FindAllStringSubmatch(line, -1) {
				switch quoted, test, suite := m[1], m[2], m[3]; {
				case byFolder[quoted] != nil && doc != "protocol.md":
					folder = quoted
				case quoted != "":
					for _, test := range name.FindAllString(quoted, -1) {
						if !has(byFolder, "", test) {
							t.Errorf("docs/%s:%d: there is no %s", doc, n+1, test)
						}
					}
				case suite != "" && !slices.Contains(rules, suite):
					t.Errorf("docs/%s:%d: no suite has the rule %s", doc, n+1, suite)
				case test != "" && !has(byFolder, folder, test):
					t.Errorf("docs/%s:%d: there is no %s in folder %q", doc, n+1, test, folder)
				}
			}
		}
	}
}

// has reports whether a folder, or any if it is empty, has the test.
func has(byFolder map[string][]string, folder, test string) bool {
	if folder != "" {
		return slices.Contains(byFolder[folder], test)
	}
	for _, all := range byFolder {
		if slices.Contains(all, test) {
			return true
		}
	}
	return false
}

// A row that is left out would be a case that nobody thinks of.
func TestTheCatalogueHasARowForEachCase(t *testing.T) {
	doc := read(t, "docs", "testing.md")
	for form, last := range map[string]int{
		"C%02d": 18, "Z%02d": 13, "R%02d": 14, "A%02d": 16, "K%02d": 10, "S%02d": 13, "Q%02d": 14, "P%02d": 9, "L%02d": 5,
		"U%02d": 6, "X%02d": 14, "T%02d": 38, "I%d": 19, "%d": 35,
	} {
		for n := 1; n <= last; n++ {
			if row := "\n| " + fmt.Sprintf(form, n) + " |"; strings.Count(doc, row) != 1 {
				t.Errorf("%d rows begin with %q, want 1", strings.Count(doc, row), row[1:])
			}
		}
	}
	for _, m := range mutantID.FindAllStringSubmatch(read(t, "internal", "mutant", "cmd", "mutants.go"), -1) {
		if id := regexp.MustCompile(`\| [^|]*\b` + m[1] + `\b[^|]* \|`); !id.MatchString(doc) {
			t.Errorf("mutant %s is in no row", m[1])
		}
	}
}
