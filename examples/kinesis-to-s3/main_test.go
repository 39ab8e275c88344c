package main

import (
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
)

func TestFlagsThatMissSomethingAreRefused(t *testing.T) {
	for _, args := range [][]string{nil, {"-stream", "a"}, {"-dir", "x"}, {"-stream", "a", "-dir", "x", "-bucket", "y"}, {"-codec", "rar", "-stream", "a", "-dir", "x"}} {
		if _, err := parse(args, io.Discard); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
}

// The command lines in the comment must not rot.
func TestCommandLinesInProseAreUnderstood(t *testing.T) {
	text, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`(?m)^//\s+go run ./examples/kinesis-to-s3 (-.*)$`).FindAllStringSubmatch(string(text), -1)
	for _, m := range lines {
		if o, err := parse(strings.Fields(m[1]), io.Discard); err != nil || o.stream != "hits" {
			t.Errorf("%s: %+v, %v", m[0], o, err)
		}
	}
	if len(lines) != 2 {
		t.Errorf("found %d command lines, want 2", len(lines))
	}
}
