package readme

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func read(t *testing.T, path ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(append([]string{"..", ".."}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The program in the README is the part of examples/minimal after its imports, so it cannot rot.
func TestReadmeShowsTheProgramThatCompiles(t *testing.T) {
	_, program, ok := strings.Cut(read(t, "examples", "minimal", "main.go"), "\n)\n")
	if !ok {
		t.Fatal("examples/minimal/main.go has no import block")
	}
	if !strings.Contains(read(t, "README.md"), "```go\n"+strings.TrimSpace(program)+"\n```") {
		t.Error("README.md does not hold the code of examples/minimal/main.go after its imports, as it stands now")
	}
}

var link = regexp.MustCompile(`\]\(([^)#]+)`)

func TestLinksInTheProseLeadSomewhere(t *testing.T) {
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != ".." {
			if d != nil && d.IsDir() {
				return filepath.SkipDir
			}
			return err
		}
		if filepath.Ext(path) != ".md" {
			return nil
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range link.FindAllStringSubmatch(string(body), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), m[1])); err != nil {
				t.Errorf("%s links to %s, which is not there", path, m[1])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
