package file

import (
	"bytes"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// told opens files and returns all records, or the error, and the log.
func told(t *testing.T, c Config, o Options) (got []string, said string, err error) {
	t.Helper()
	var log bytes.Buffer
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	s, err := Open(c, &o)
	if err != nil {
		return nil, log.String(), err
	}
	defer s.Close()
	r := newReading(t, s)
	err = r.all()
	return sorted(r.got), log.String(), err
}

// A CSV whose lines end with a carriage return alone was one header, and vanished without a word.
func TestLinesOfOldMacsAreAnError(t *testing.T) {
	for name, c := range map[string]struct {
		format Format
		text   string
		bad    bool
	}{
		"csv":                      {CSV{}, "a,b\r1,2\r3,4\r", true},
		"csv, one line":            {CSV{}, "a,b\r1,2", true},
		"csv without header":       {CSV{NoHeader: true}, "1,2\r3,4\r", true},
		"mixed":                    {CSV{}, "a,b\r1,2\r\n3,4\r\n", true},
		"in quotes":                {CSV{}, "a,\"b\r\"\n1,2\n", false},
		"in quotes before":         {CSV{}, "\"a\r\",b\r1,2\r", true},
		"windows":                  {CSV{}, "a,b\r\n1,2\r\n", false},
		"a header and half an end": {CSV{}, "a,b\r", false},
		"json":                     {NDJSON{}, "{\"a\":1}\r{\"a\":2}\r", true},
		"json, windows":            {NDJSON{}, "{\"a\":1}\r\n{\"a\":2}\r\n", false},
		"lines":                    {Lines{}, "10%\r20%\r100%\n", false},
	} {
		for _, packed := range []bool{false, true} {
			text := c.text
			if packed {
				text = gz(text)
			}
			_, _, err := told(t, Config{Dir: folder(t, map[string]string{"f": text}), Format: c.format}, Options{})
			if (err != nil) != c.bad || c.bad && !strings.Contains(err.Error(), "carriage returns alone") {
				t.Errorf("%s, packed %v: got %v, want an error: %v", name, packed, err, c.bad)
			}
		}
	}
}

func TestAFileWithoutARecordIsTold(t *testing.T) {
	dir := folder(t, map[string]string{"header": "a,b\n", "packed": gz("a,b"), "blank": "\n\n", "empty": "", "good": "a,b\n1,2\n"})
	got, said, err := told(t, Config{Dir: dir, Format: CSV{}}, Options{})
	if err != nil || !slices.Equal(got, []string{"good:2:1,2"}) {
		t.Errorf("got %q, %v", got, err)
	}
	for name, want := range map[string]int{"header": 1, "packed": 1, "blank": 1, "empty": 0, "good": 0} {
		if n := strings.Count(said, `msg="a file has no record" file=`+filepath.Join(dir, name)+" "); n != want {
			t.Errorf("%s was told %d times, want %d:\n%s", name, n, want, said)
		}
	}
}

// Two files that were put together have a header in the middle, which was a row of names.
func TestAHeaderInTheMiddleIsNoRecord(t *testing.T) {
	dir := folder(t, map[string]string{"f": "a,b\n1,2\na,b\n3,4\n\"a\",b\na,b\n5,6\n", "g": "name\nx\nname\n"})
	got, said, err := told(t, Config{Dir: dir, Format: CSV{}}, Options{})
	if want := []string{"f:2:1,2", "f:4:3,4", "f:5:\"a\",b", "f:7:5,6", "g:2:x", "g:3:name"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if n := strings.Count(said, "header more than once"); n != 1 || !strings.Contains(said, "line=3") {
		t.Errorf("told %d times:\n%s", n, said)
	}
	got, _, err = told(t, Config{Dir: dir, Format: CSV{NoHeader: true}}, Options{})
	if err != nil || len(got) != 10 {
		t.Errorf("without header: got %q, %v", got, err)
	}
}

// Tapes and tar pad files with zeros, and gzip reads them.
func TestGzipPaddedWithZerosIsRead(t *testing.T) {
	for name, c := range map[string]struct{ text, bad string }{
		"zeros":                {gz("a\n") + strings.Repeat("\x00", 100_000), ""},
		"one zero":             {gz("a\n") + "\x00", ""},
		"members":              {gz("a\n") + gz("b\n"), ""},
		"empty members":        {gz("") + gz("a\n") + gz(""), ""},
		"garbage":              {gz("a\n") + "garbage", "something else follows: garbage, or"},
		"half a header":        {gz("a\n") + "\x1f", "cut short"},
		"zeros and garbage":    {gz("a\n") + "\x00\x00x", "something else follows: garbage, or"},
		"zeros and a member":   {gz("a\n") + "\x00\x00" + gz("b\n"), "something else follows"},
		"zstd and garbage":     {zst("a\n") + "garbage", "something else follows"},
		"zstd and zstd":        {zst("a\n") + zst("b\n"), ""},
		"gzip within gzip":     {gz(gz("a\n")), "holds gzip within gzip"},
		"zstd within gzip":     {gz(zst("a\n")), "holds zstd within gzip"},
		"zip within zstd":      {zst("PK\x03\x04...."), "holds zip within zstd"},
		"compress":             {"\x1f\x9d\x90abc", "holds compress (.Z)"},
		"7z":                   {"7z\xbc\xaf\x27\x1c\x00\x04", "holds 7z"},
		"ORC":                  {"ORC\n\x06\x12\x04\x08\x03P\x00\n", "holds ORC"},
		"ORC, compressed":      {"ORC\x11\x00\x00\n\x06\x12\x04", "holds ORC"},
		"a column called ORC":  {"ORC\nx,y\n", ""},
		"SequenceFile":         {"SEQ\x06\x19org.apache.hadoop.io", "holds a SequenceFile"},
		"a column called SEQ":  {"SEQ,b\n1,2\n", ""},
		"a word that is no 7z": {"7zip\n", ""},
	} {
		got, _, err := told(t, Config{Dir: folder(t, map[string]string{"f": c.text}), Format: Lines{}}, Options{})
		switch {
		case c.bad == "" && (err != nil || len(got) == 0):
			t.Errorf("%s: got %q, %v", name, got, err)
		case c.bad != "" && (err == nil || !strings.Contains(err.Error(), c.bad)):
			t.Errorf("%s: got %q, %v, want %q", name, got, err, c.bad)
		}
	}
}

func TestPatternsThatChooseLessSaySo(t *testing.T) {
	dir := folder(t, map[string]string{"a.jsonl": "{}\n", "b.jsonl.gz": gz("{}\n"), "sub/c.jsonl": "{}\n", "sub/deep/d.log": "{}\n", "_x": "", ".y/z": ""})
	_, said, err := told(t, Config{Dir: dir, Patterns: []string{"*.jsonl", "*/*.log"}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`msg="a pattern chooses no file" pattern=*/*.log`, "files=2 such_as=b.jsonl.gz", "names=2 such_as="} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q:\n%s", want, said)
		}
	}
	_, _, err = told(t, Config{Dir: dir, Patterns: []string{"*.json"}}, Options{})
	if err == nil || !strings.Contains(err.Error(), "matches *.json; 4 others are there, such as a.jsonl") {
		t.Errorf("got %v", err)
	}
}

// One file that could not be read kept all others from being read.
func TestABadFileIsLeftOutByChoice(t *testing.T) {
	text, want := lines(20_000)
	cutShort := gz(text)
	cutShort = cutShort[:len(cutShort)/2]
	flipped := []byte(gz(text))
	flipped[len(flipped)/2] ^= 0x55
	files := map[string]string{"a": "one\n", "cut": cutShort, "flipped": string(flipped), "magic": "\x1f\x8b\x08\x00", "zip": "PK\x03\x04", "z": "two\n"}
	for name := range maps.Keys(files) {
		if name == "a" || name == "z" {
			continue
		}
		if _, _, err := told(t, Config{Dir: folder(t, map[string]string{name: files[name]}), Format: Lines{}}, Options{}); err == nil {
			t.Errorf("%s: got no error without SkipBad", name)
		}
	}
	dir := folder(t, files)
	got, said, err := told(t, Config{Dir: dir, Format: Lines{}}, Options{SkipBad: true})
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, g := range got {
		name, _, _ := strings.Cut(g, ":")
		count[name]++
	}
	if count["a"] != 1 || count["z"] != 1 || count["!cut"] != 1 || count["cut"] < 5000 || count["cut"] >= len(want) || count["!flipped"] != 1 || count["flipped"] > 0 ||
		len(count) != 5 {
		t.Errorf("got %v", count)
	}
	for name, n := range map[string]int{"cut": 1, "flipped": 1, "magic": 1, "zip": 1, "a": 0} {
		if strings.Count(said, "file="+filepath.Join(dir, name)+" ") != n {
			t.Errorf("%s: want %d lines:\n%s", name, n, said)
		}
	}
}

// What a stage holds of a file cannot be done without: the job stops, as it does for a file that is lost.
func TestABadFileThatIsNeededIsAnError(t *testing.T) {
	dir := folder(t, map[string]string{"f": gz("a\nb\nc\n")})
	s := open(t, Config{Dir: dir, Format: Lines{}}, &Options{SkipBad: true})
	r := newReading(t, s)
	part := s.first[0].part
	put(t, filepath.Join(dir, "f"), gz("a\nb\nc\n")[:25])
	r.progress[part] = driver.Progress{UpTo: record.Position{Sub: 2}, Pending: pendingSet(1)}
	err := r.all()
	if err == nil || !strings.Contains(err.Error(), "cut short") {
		t.Errorf("got %q, %v, want the error", r.got, err)
	}
}
