package kafkajob

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var commandLine = regexp.MustCompile(`(?m)^(?://\s+)?go run ./examples/(kafka-to-\w+) (-.*)$`)

// The command lines in the README and in the examples' comments must not rot.
func TestCommandLinesInProseAreUnderstood(t *testing.T) {
	examples := filepath.Join("..", "..")
	found := map[string]int{}
	for _, name := range []string{filepath.Join(examples, "..", "README.md"), filepath.Join(examples, "kafka-to-s3", "main.go"), filepath.Join(examples, "kafka-to-gcs", "main.go")} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range commandLine.FindAllStringSubmatch(string(text), -1) {
			var dir string
			o, err := Parse(m[1], strings.Fields(m[2]), t.Output(), func(f *flag.FlagSet) { f.StringVar(&dir, "dir", "", "") })
			if err != nil || (o.Bucket == "") == (dir == "") || len(o.kafka.Topics) == 0 || !slices.Contains(o.kafka.Topics, "hits") {
				t.Errorf("%s: %q: %+v, %v", name, m[0], o, err)
			}
			found[name]++
		}
	}
	if len(found) != 3 {
		t.Errorf("found command lines in %v, want three files", found)
	}
}
