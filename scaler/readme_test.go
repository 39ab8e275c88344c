package scaler

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The program in the README is the main of an example, which compiles, and it has at most 15 lines.
func TestReadmeShowsTheProgramThatCompiles(t *testing.T) {
	source, err := os.ReadFile(filepath.Join("kubernetes", "example", "main.go"))
	if err != nil {
		t.Skip("the module scaler/kubernetes is not beside this package")
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, program, _ := strings.Cut(string(source), "\nfunc main() {\n")
	program, _, _ = strings.Cut(program, "\n}\n")
	program = "func main() {\n" + program + "\n}"
	if n := strings.Count(program, "\n") + 1; n < 10 || n > 15 {
		t.Errorf("the program has %d lines, want at most 15", n)
	}
	if !strings.Contains(string(readme), "```go\n"+program+"\n```") {
		t.Error("README.md does not hold the main of kubernetes/example as it stands now")
	}
}
