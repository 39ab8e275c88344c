package release

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// CONTRIBUTING.md once told how to make a module for a store in words that left out four steps. Who runs its commands gets one
// that passes.
func TestTheCommandsForANewStoreWork(t *testing.T) {
	here, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(here, "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, script, found := strings.Cut(string(text), "```sh\nname=mine\n")
	script, _, ended := strings.Cut(script, "```")
	script, _, _ = strings.Cut(script, "go test ./internal/layering") // the tests of the copy are those of this repository
	reading, _, _ := strings.Cut(string(text), "```sh\nname=mine\n")
	_, reading, _ = strings.Cut(reading, "## A new store")
	readTheStore(t, here, reading)
	if !found || !ended || !strings.Contains(script, "go test ./...") {
		t.Fatal("CONTRIBUTING.md does not have the commands for a store called mine")
	}
	root := t.TempDir()
	for _, name := range strings.Fields(git(t, here, "ls-files")) {
		body, err := os.ReadFile(filepath.Join(here, name))
		if os.IsNotExist(err) {
			continue // deleted, and not committed
		} else if err != nil {
			t.Fatal(err)
		}
		write(t, root, map[string]string{name: string(body)})
	}
	git(t, root, "init", "-q", "-b", "main")
	commit(t, root)
	out, err := output(t.Context(), root, nil, "bash", "-e", "-c", "name=mine\n"+script)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(out, "ok  \tgithub.com/onceflow/onceflow/sink/mine") {
		t.Errorf("the store was not tested:\n%s", out)
	}
}

// readTheStore runs the commands by which a reader begins. The number of lines that he is told was once 60 too low.
func readTheStore(t *testing.T, here, text string) {
	t.Helper()
	_, commands, _ := strings.Cut(text, "```sh\n")
	commands, _, _ = strings.Cut(commands, "```")
	if out, err := output(t.Context(), here, nil, "bash", "-e", "-c", commands); err != nil || !strings.Contains(out, "type Store interface") || !strings.Contains(out, "type Store struct") {
		t.Errorf("the commands %q show no stores: %v", commands, err)
	}
	store, err := os.ReadFile(filepath.Join(here, "sink", "sinktest", "example", "store.go"))
	if err != nil {
		t.Fatal(err)
	}
	told := regexp.MustCompile(`the store to start from, (\d+) lines`).FindStringSubmatch(text)
	if told == nil {
		t.Fatal("CONTRIBUTING.md does not say how long the store to start from is")
	}
	n, err := strconv.Atoi(told[1])
	if is := strings.Count(string(store), "\n"); err != nil || n < is-10 || n > is+10 {
		t.Errorf("the store to start from has %d lines, CONTRIBUTING.md says %s", is, told[1])
	}
}
