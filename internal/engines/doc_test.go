package engines

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// table is a table of docs/reading.md: its header and rows of cells.
type table struct {
	header []string
	rows   [][]string
}

// document is docs/reading.md, as far as tests run it.
type document struct {
	readers table // what each reader makes of each kind of files
	lines   table // what to say to it
	folders table // the same for late rows, for several flows and for stores
	types   table // of the columns that folders make
	letters table // of changes
}

func readDocument(t *testing.T) document {
	t.Helper()
	text, err := os.ReadFile("../../docs/reading.md")
	if err != nil {
		t.Fatal(err)
	}
	var d document
	for _, tab := range tables(string(text)) {
		switch strings.Join(tab.header[:2], " ") {
		case "reader run by":
			d.readers = tab
		case "reader files":
			d.lines = tab
		case "reader what":
			d.folders = tab
		case "reader day":
			d.types = tab
		case "letter what went in":
			d.letters = tab
		}
	}
	for name, tab := range map[string]table{"readers": d.readers, "lines": d.lines, "folders": d.folders, "types": d.types, "letters": d.letters} {
		if len(tab.rows) == 0 {
			t.Fatalf("docs/reading.md has no table of %s", name)
		}
	}
	return d
}

func tables(text string) (all []table) {
	var open *table
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			open = nil
			continue
		}
		// In a table a bar within code is escaped.
		line = strings.ReplaceAll(strings.Trim(line, "|"), `\|`, "\x00")
		var cells []string
		for c := range strings.SplitSeq(line, "|") {
			cells = append(cells, strings.Trim(strings.ReplaceAll(strings.TrimSpace(c), "\x00", "|"), "`"))
		}
		switch {
		case open == nil:
			all = append(all, table{header: cells})
			open = &all[len(all)-1]
		case strings.Trim(strings.Join(cells, ""), "-: ") != "":
			open.rows = append(open.rows, cells)
		}
	}
	return all
}

// readerOf is the name of a reader without its version.
func readerOf(cell string) string {
	for _, r := range readers {
		if cell == r.name || strings.HasPrefix(cell, r.name+" ") {
			return r.name
		}
	}
	return cell
}

// line is what to say to a reader for a kind of files, such as jsonl.gz: its own line, or that of its format.
func (d *document) line(reader, kind string) (code string, ok bool) {
	format, _, _ := strings.Cut(kind, ".")
	for _, files := range []string{kind, format} {
		for _, r := range d.lines.rows {
			if r[0] == reader && r[1] == files {
				return r[2], true
			}
		}
	}
	return "", false
}

// cell is what the document says of a reader and a kind of files: "yes" and letters, "no", "part", "?" for what was not tried, or
// nothing for what the reader is not made for.
func (d *document) cell(reader, kind string) (string, bool) {
	col := slices.Index(d.readers.header, kind)
	for _, r := range d.readers.rows {
		if readerOf(r[0]) == reader && col > 0 {
			return r[col], true
		}
	}
	return "", false
}

// folds reports that a reader makes columns of the folders.
func (d *document) folds(reader string) bool {
	return slices.ContainsFunc(d.types.rows, func(row []string) bool { return row[0] == reader })
}

// Each line of the document is run by a test, or says that nobody has tried it; and what tests run stands in the document.
func TestTheDocumentAndTheTestsHaveTheSameLines(t *testing.T) {
	d := readDocument(t)
	var names []string
	for _, k := range kinds() {
		names = append(names, k.name)
	}
	if got := d.readers.header[2:]; !slices.Equal(got, names) {
		t.Errorf("the columns of readers are %q, the tests write %q", got, names)
	}
	told := map[string]bool{}
	for _, row := range d.readers.rows {
		name := readerOf(row[0])
		told[name] = true
		i := slices.IndexFunc(readers, func(r reader) bool { return r.name == name })
		if row[1] == "not tried" {
			if i >= 0 || strings.Trim(strings.Join(row[2:], ""), "?") != "" {
				t.Errorf("%s is said to be not tried, and has results or a test", name)
			}
			continue
		}
		if row[1] == "by hand" {
			if i >= 0 || slices.ContainsFunc(row[2:], func(cell string) bool { return cell != "yes" && cell != "no" && cell != "?" }) {
				t.Errorf("%s is said to be tried by hand, and has a test or results of one", name)
			}
			continue
		}
		if i < 0 {
			t.Errorf("%s has no test: list it in readers, or say that it was not tried", name)
			continue
		}
		if want := readers[i].runBy(); row[1] != want {
			t.Errorf("%s is said to be run by %q, it is by %q", name, row[1], want)
		}
		if v := readers[i].version; v != "" && row[0] != name+" "+v {
			t.Errorf("the document has %q, the tests install %s %s", row[0], name, v)
		}
		for n, cell := range row[2:] {
			checkCell(t, &d, name, names[n], cell)
		}
	}
	for _, r := range readers {
		if !told[r.name] {
			t.Errorf("%s is not in the table of readers", r.name)
		}
	}
	for _, tab := range []table{d.lines, d.folders, d.types} {
		for _, row := range tab.rows {
			if !told[row[0]] {
				t.Errorf("a line is of %q, which is not in the table of readers", row[0])
			}
		}
	}
	var cells, have, want []string
	for _, row := range d.readers.rows {
		cells = append(cells, strings.Fields(strings.Join(row[2:], " "))...)
	}
	for _, row := range d.letters.rows {
		have = append(have, row[0])
		if !slices.Contains(cells, row[0]) {
			t.Errorf("no cell has the letter %s", row[0])
		}
	}
	for _, c := range changes {
		want = append(want, c.letter)
	}
	if !slices.Equal(have, want) {
		t.Errorf("the document explains the changes %q, the tests know %q", have, want)
	}
}

func checkCell(t *testing.T, d *document, reader, kind, cell string) {
	t.Helper()
	words := strings.Fields(cell)
	ok := cell == "" || cell == "?" || cell == "no" || cell == "part"
	if len(words) > 0 && words[0] == "yes" {
		ok = true
		for _, w := range words[1:] {
			ok = ok && slices.ContainsFunc(changes, func(c change) bool { return c.letter == w })
		}
	}
	if !ok {
		t.Errorf("%s, %s: %q is none of the results", reader, kind, cell)
	}
	if _, has := d.line(reader, kind); cell != "?" && has == (cell == "") {
		t.Errorf("%s, %s: the result is %q, and there is a line: %v", reader, kind, cell, has)
	}
}

// extension is the extension of files in a line of the document.
var extension = regexp.MustCompile(`\*\.((jsonl|csv|tsv|avro|parquet)(\.\w+)?)`)

// asCode puts a flow and its extension into a line of the document, in which the flow is called views.
func asCode(line, flow, ext string) string {
	return strings.ReplaceAll(extension.ReplaceAllLiteralString(line, "*."+ext), "views", flow)
}
