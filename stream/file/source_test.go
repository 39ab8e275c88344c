package file

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

func TestEveryLineOnceWithItsNumber(t *testing.T) {
	long := strings.Repeat("x", 500)
	for name, c := range map[string]struct {
		format Format
		text   string
		want   []string
	}{
		"a newline at the end":         {nil, "a\nb\n", []string{"f:1:a", "f:2:b"}},
		"none at the end":              {nil, "a\nb", []string{"f:1:a", "f:2:b"}},
		"carriage returns":             {nil, "a\r\nb\r", []string{"f:1:a", "f:2:b"}},
		"byte order mark":              {nil, "\xef\xbb\xbfa\nb\n", []string{"f:1:a", "f:2:b"}},
		"blank lines of NDJSON":        {NDJSON{}, "\n \na\n\t\r\n\nb\n\n", []string{"f:3:a", "f:6:b"}},
		"blanks around a value":        {NDJSON{}, " a \n", []string{"f:1: a "}},
		"empty lines of text":          {Lines{}, "\na\n\n", []string{"f:1:", "f:2:a", "f:3:"}},
		"longer than a piece":          {nil, long + "\nb\n" + long, []string{"f:1:" + long, "f:2:b", "f:3:" + long}},
		"CSV":                          {CSV{NoHeader: true}, "a,b\n\nc,d", []string{"f:1:a,b", "f:3:c,d"}},
		"CSV with a header":            {CSV{}, "h\na\n", []string{"f:2:a"}},
		"CSV header after blank lines": {CSV{}, "\n\nh\na\n", []string{"f:4:a"}},
		"newlines in quotes":           {CSV{}, "h\n\"a\nb\",\"c\r\n\"\nd\n", []string{"f:2:\"a\nb\",\"c\r\n\"", "f:5:d"}},
		"a newline in quotes last":     {CSV{}, "h\na,\"b\n\nc\"", []string{"f:2:a,\"b\n\nc\""}},
		"a quote in pairs":             {CSV{}, "h\n\"\"\"\n\"\"\"\n", []string{"f:2:\"\"\"\n\"\"\""}},
		"newlines in a header":         {CSV{}, "\"h\nh\"\na\n", []string{"f:3:a"}},
		"an unclosed quote":            {CSV{}, "h\n\"a\nb\n\"c\"\n", []string{"f:2:\"a", "f:3:b", "f:4:\"c\""}},
		"a quote out of place":         {CSV{}, "h\na\",\"b\nc\n\"d\"e,\"\nf\n", []string{"f:2:a\",\"b", "f:3:c", "f:4:\"d\"e,\"", "f:5:f"}},
		"semicolons":                   {CSV{Comma: ';'}, "h\na,\"b;\"c\nd\n", []string{"f:2:a,\"b;\"c", "f:3:d"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, pack := range []func(string) string{func(s string) string { return s }, gz, func(s string) string { return zst(s) }} {
				dir := folder(t, map[string]string{"f": pack(c.text)})
				same(t, "records", everything(t, Config{Dir: dir, Format: c.format}, nil), c.want)
			}
		})
	}
}

func TestContentIsKnownByItsBytesNotByItsName(t *testing.T) {
	dir := folder(t, map[string]string{
		"a.gz": "plain\n", "b.txt": gz("gzip\n") + gz("two members\n"), "c": zst("zstd\n") + zst("two frames\n"),
		"d": "\x50\x2a\x4d\x18\x03\x00\x00\x00abc" + zst("after a skippable frame\n"),
	})
	same(t, "records", everything(t, Config{Dir: dir}, nil), []string{
		"a.gz:1:plain", "b.txt:1:gzip", "b.txt:2:two members", "c:1:zstd", "c:2:two frames", "d:1:after a skippable frame"})
}

func TestFolderIsReadWithItsSubfoldersButNotHiddenFiles(t *testing.T) {
	dir := folder(t, map[string]string{
		"b": "b", "a/x.log": "x", "a.log": "a", "a/y.txt": "y", ".hidden": "no", "_SEALED": "no", ".git/z.log": "no", "empty.log": "",
	})
	if err := os.Symlink(filepath.Join(dir, "b"), filepath.Join(dir, "link")); err != nil {
		t.Skip(err)
	}
	for _, c := range []struct {
		patterns, want []string
	}{
		{nil, []string{"a.log", "a/x.log", "a/y.txt", "b", "link"}},
		{[]string{"*.log"}, []string{"a.log", "a/x.log"}},
		{[]string{"a/*.log", "l*"}, []string{"a/x.log", "link"}},
	} {
		s := open(t, Config{Dir: dir, Patterns: c.patterns}, nil)
		parts, err := s.Partitions(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range parts {
			got = append(got, p.ID)
		}
		same(t, "partitions of "+strings.Join(c.patterns, " "), got, c.want)
	}
	link := filepath.Join(t.TempDir(), "dir")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	same(t, "records through a link to the folder", everything(t, Config{Dir: link, Patterns: []string{"b"}}, nil), []string{"b:1:b"})
}

func TestFilesAreNamedBelowDirOrAbsolutely(t *testing.T) {
	dir := folder(t, map[string]string{"in/a": "a", "in/b": "b"})
	id := func(c Config) string {
		parts, err := open(t, c, nil).Partitions(t.Context())
		if err != nil || len(parts) != 1 {
			t.Fatal(parts, err)
		}
		return parts[0].ID
	}
	if got := id(Config{Dir: dir, Paths: []string{"./in//a"}}); got != "in/a" {
		t.Errorf("below Dir: got %q", got)
	}
	if got, want := id(Config{Paths: []string{filepath.Join(dir, "in", "a")}}), filepath.ToSlash(filepath.Join(dir, "in/a")); got != want {
		t.Errorf("without Dir: got %q, want %q", got, want)
	}
}

func TestOpenRefusesWhatCannotBeRead(t *testing.T) {
	dir := folder(t, map[string]string{
		"xz": "\xfd7zXZ\x00....", "utf16": "\xff\xfea\x00", "zip": "PK\x03\x04", "ok": "a", "bad\xff": "a",
		"gz": "\x1f\x8bnonsense........", "one": gz("a line that is longer than nothing")[:25], "secret/f": "a",
	})
	if err := os.Symlink("nowhere", filepath.Join(dir, "broken")); err != nil {
		t.Skip(err)
	}
	in := func(name string) Config { return Config{Dir: dir, Patterns: []string{name}} }
	type fault struct {
		c    Config
		o    *Options
		want string
	}
	faults := []fault{
		{Config{}, nil, "neither Dir nor Paths"},
		{Config{Dir: dir, Paths: []string{"ok"}, Patterns: []string{"["}}, &Options{Poll: -1, MaxOpen: -1, MaxLine: -1, MaxWindow: 5},
			"file: Config has both Paths and Patterns\nfile: pattern \"[\": syntax error in pattern\nfile: Poll -1ns is negative\n" +
				"file: MaxLine -1 is not in 1 byte to 1 GiB\nfile: MaxOpen -1 is negative\nfile: MaxWindow 5 is not in"},
		{Config{Dir: dir, Format: CSV{Comma: '"'}}, nil, "cannot separate fields"},
		{Config{Dir: filepath.Join(dir, "none")}, nil, "none"},
		{Config{Dir: filepath.Join(dir, "ok")}, nil, "not a directory"},
		{in("*.csv"), nil, "no file in " + dir + " matches *.csv"},
		{Config{Dir: dir, Paths: []string{"none"}}, nil, "no such file"},
		{Config{Dir: dir, Paths: []string{"ok", "./ok"}}, nil, "named twice"},
		{Config{Dir: dir, Paths: []string{"secret"}}, nil, "not a regular file"},
		{in("xz"), nil, "holds xz; plain text, gzip and zstd can be read"},
		{in("utf16"), nil, "holds UTF-16"},
		{in("zip"), nil, "holds zip"},
		{in("bad*"), nil, "is not UTF-8"},
		{in("broken"), nil, "broken"},
		{in("gz"), nil, filepath.Join(dir, "gz") + ": the gzip data may be damaged at byte"},
		{in("one"), nil, filepath.Join(dir, "one") + ": the gzip data may be cut short, or still be written, at byte 25"},
	}
	if runtime.GOOS != "windows" && os.Geteuid() != 0 {
		if err := os.Chmod(filepath.Join(dir, "secret"), 0); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Chmod(filepath.Join(dir, "secret"), 0o777) })
		faults = append(faults, fault{Config{Dir: dir}, nil, "permission denied"})
	}
	for _, f := range faults {
		s, err := Open(f.c, f.o)
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), f.want) {
			t.Errorf("Open(%+v): got %v, want %q", f.c, err, f.want)
		}
	}
}

func TestIdentityIsPathAndFirstRecord(t *testing.T) {
	first := strings.Repeat("x", 2*printBytes)
	id := func(name, text string, f Format) record.Partition {
		parts, err := open(t, Config{Dir: folder(t, map[string]string{name: text}), Format: f}, nil).Partitions(t.Context())
		if err != nil || len(parts) != 1 {
			t.Fatal(parts, err)
		}
		return parts[0]
	}
	for _, c := range []struct {
		what string
		f    Format
		a, b string
		same bool
	}{
		{"a line was added", nil, "a\n", "a\nb\n", true},
		{"the second line differs", nil, "a\nb\n", "a\nc\n", true},
		{"the first line differs", nil, "a\nb\n", "b\nb\n", false},
		{"it was compressed", nil, "a\nb\n", gz("a\nb\n"), true},
		{"only the header is the same", CSV{}, "h\na\n", "h\nb\n", false},
		{"header and first record are the same", CSV{}, "h\na\n", "h\na\nb\n", true},
		{"a very long first line grew", nil, first, first + "y", true},
		{"a very long first line differs early", nil, first, "y" + first, false},
	} {
		if got := id("f", c.a, c.f) == id("f", c.b, c.f); got != c.same {
			t.Errorf("%s: same partition: %v", c.what, got)
		}
	}
	if id("f", "a", nil) == id("g", "a", nil) {
		t.Error("two files with the same text are one partition")
	}
}

// All lines of a file have its last time of change. The first of them once said that all that had come until then was read.
func TestArrivedIsTheTimeOfAFileOnceItsEndWasRead(t *testing.T) {
	for name, grows := range map[string]bool{"a file": false, "one that is followed": true} {
		dir := folder(t, map[string]string{"a.log": strings.Repeat("a line of a file\n", 100)})
		info, err := os.Stat(filepath.Join(dir, "a.log"))
		if err != nil {
			t.Fatal(err)
		}
		lines, arrivals := 0, 0
		r := newReading(t, open(t, Config{Dir: dir, Format: Lines{}}, &Options{Follow: grows}))
		r.hook = func(b *driver.Batch) {
			if lines += len(b.Records); b.Lane != "" && !b.Undated {
				t.Errorf("%s: the times of lines are those at which they came", name)
			}
			for _, a := range b.Arrivals {
				if arrivals++; lines != 100 || !a.At.Equal(info.ModTime()) || a.Machine || a.Partition.ID != "a.log" {
					t.Errorf("%s: after %d lines all that came to %v by %s is read, want 100 and %s", name, lines, a.Partition, a.At, info.ModTime())
				}
			}
		}
		for arrivals == 0 && lines <= 100 {
			if err := r.poll(t.Context(), false); err != nil {
				t.Fatalf("%s: %v after %d lines", name, err, lines)
			}
		}
	}
}
