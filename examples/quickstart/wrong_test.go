package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWrongInputSaysWhatToDo(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		return name
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"a folder":         {[]string{"-in", dir}, "is a folder: name the files in it, such as " + dir},
		"no such file":     {[]string{"-in", filepath.Join(dir, "no")}, "no such file"},
		"an empty file":    {[]string{"-in", file("empty", "")}, "there is no line"},
		"no JSON":          {[]string{"-in", file("text", "hello\n")}, "neither a JSON object nor the names of columns"},
		"no time":          {[]string{"-in", file("timeless", `{"a":1}`)}, "its fields, for -time, -by and -id, are a"},
		"no such codec":    {[]string{"-codec", "brotli"}, "is none of gzip, lz4"},
		"a commit of 5":    {[]string{"-commit", "5"}, "such as 500ms or 1m"},
		"no room for it":   {[]string{"-in", file("good", `{"time":1746079200}`), "-out", file("taken", "x")}, "not a directory"},
		"another job's":    {[]string{"-events", "10", "-out", ownOutput(t, dir)}, "choose another -out"},
		"a truncated file": {[]string{"-in", file("cut.gz", "\x1f\x8b\x08\x00\x00")}, "cut short"},
	} {
		cmd := program(t, append([]string{"-out", filepath.Join(dir, "out-"+name)}, c.args...)...)
		if err := cmd.Run(); err == nil || !strings.Contains(said(cmd), c.want) {
			t.Errorf("%s: %v; it does not say %q:\n%s", name, err, c.want, said(cmd))
		}
	}
}

// ownOutput makes the output of other input.
func ownOutput(t *testing.T, dir string) string {
	t.Helper()
	in, out := filepath.Join(dir, "in.ndjson"), filepath.Join(dir, "own-output")
	if err := os.WriteFile(in, []byte(`{"time":1746079200}`), 0o666); err != nil {
		t.Fatal(err)
	}
	if cmd := program(t, "-in", in, "-out", out); cmd.Run() != nil {
		t.Fatal(said(cmd))
	}
	return out
}
