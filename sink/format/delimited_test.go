package format_test

import (
	"encoding/csv"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/sink/format"
)

func fields(r *format.Row, v *[]string) {
	for i, f := range *v {
		if i%2 == 0 {
			r.String(f)
		} else {
			r.Bytes([]byte(f))
		}
	}
}

// Values that look like structure, to one reader or another.
var awkward = [][]string{
	{""}, {"", ""}, {"a", "b"}, {`"`}, {`""`, `a"b`}, {"a,b", "c\td"}, {"a\nb", "c\r\nd", "\r"}, {" a", "b ", "\tc"}, {"=1+1", "@x", "-2", "+3"},
	{"\xef\xbb\xbfx", "é", "\xff\xfe"}, {`\.`, `\n`, `\`, `a\`}, {"\x00", "#c", "'q'"}, {"a;b|c"},
}

func TestCSVReadsBackAsWritten(t *testing.T) {
	for _, row := range awkward {
		for _, comma := range []byte{',', ';', '\t', 1} {
			for _, lf := range []bool{false, true} {
				checkCSV(t, row, &format.CSVOptions{Comma: comma, LF: lf})
			}
		}
	}
}

func FuzzCSV(f *testing.F) {
	for _, row := range awkward {
		f.Add(strings.Join(row, "\x1f"), byte(','), false)
	}
	f.Fuzz(func(t *testing.T, s string, comma byte, lf bool) {
		if comma != ',' && comma != ';' && comma != '|' && comma != '\t' {
			comma = 1
		}
		checkCSV(t, strings.Split(s, "\x1f"), &format.CSVOptions{Comma: comma, LF: lf})
	})
}

// checkCSV writes row between two others and reads all with encoding/csv and with a reader of the letter of RFC 4180.
func checkCSV(t *testing.T, row []string, opts *format.CSVOptions) {
	t.Helper()
	text, err := encode(format.CSV(nil, fields, opts), []string{"first"}, row, []string{"last"})
	if err != nil {
		t.Fatalf("%q: %v", row, err)
	}
	row = replaced(row)
	want := [][]string{{"first"}, row, {"last"}}
	if got := parseCSV(t, text, opts); !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("by RFC 4180: got %q, want %q, of %q", got, want, text)
	}

	r := csv.NewReader(strings.NewReader(text))
	r.Comma, r.FieldsPerRecord = rune(opts.Comma), -1
	got, err := r.ReadAll()
	// encoding/csv reads CR LF inside quotes as LF, and refuses a quote mark only where it is bare.
	seen := slices.Clone(row)
	for i := range seen {
		seen[i] = strings.ReplaceAll(seen[i], "\r\n", "\n")
	}
	want[1] = seen
	if err != nil || !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("by encoding/csv: got %q, %v, want %q, of %q", got, err, want, text)
	}
}

// parseCSV is the grammar of RFC 4180, section 2.
func parseCSV(t *testing.T, s string, opts *format.CSVOptions) (rows [][]string) {
	t.Helper()
	newline := "\r\n"
	if opts.LF {
		newline = "\n"
	}
	row := []string{}
	for s != "" {
		var field string
		if strings.HasPrefix(s, `"`) {
			for s = s[1:]; ; {
				i := strings.IndexByte(s, '"')
				if i < 0 {
					t.Fatalf("quote without end: %q", s)
				}
				field += s[:i]
				s = s[i+1:]
				if !strings.HasPrefix(s, `"`) {
					break
				}
				field += `"`
				s = s[1:]
			}
		} else {
			i := strings.IndexAny(s, string([]byte{opts.Comma, '\r', '\n', '"'}))
			if i < 0 {
				t.Fatalf("line without end: %q", s)
			}
			field, s = s[:i], s[i:]
		}
		row = append(row, field)
		switch {
		case strings.HasPrefix(s, newline):
			rows, row, s = append(rows, row), []string{}, s[len(newline):]
		case s[0] == opts.Comma:
			s = s[1:]
		default:
			t.Fatalf("neither comma nor end of the line: %q", s)
		}
	}
	return rows
}

// Each line of a TSV is a row, each tab a border, whatever is in the fields.
func FuzzTSV(f *testing.F) {
	for _, row := range awkward {
		f.Add(strings.Join(row, "\x1f"))
	}
	f.Fuzz(func(t *testing.T, s string) {
		row := strings.Split(s, "\x1f")
		text, err := encode(format.TSV(nil, fields), row)
		if err != nil {
			t.Fatal(err)
		}
		line, rest, _ := strings.Cut(text, "\n")
		if rest != "" || strings.Contains(line, "\r") {
			t.Fatalf("%q has more than one line", text)
		}
		got := strings.Split(line, "\t")
		for i := range got {
			got[i] = strings.NewReplacer(`\t`, "\t", `\n`, "\n", `\r`, "\r", `\\`, `\`).Replace(got[i])
		}
		if row = replaced(row); !slices.Equal(got, row) {
			t.Errorf("got %q, want %q", got, row)
		}
	})
}

// replaced has U+FFFD for each byte that is not UTF-8.
func replaced(row []string) []string {
	row = slices.Clone(row)
	for i := range row {
		row[i] = string([]rune(row[i]))
	}
	return row
}

// PostgreSQL's COPY of a column of numbers failed, and took an empty string of CSV for null.
func TestNullIsNotAnEmptyString(t *testing.T) {
	row := func(r *format.Row, _ *int) {
		r.Null()
		r.String("")
		r.Bytes(nil)
		r.String(`\N`)
		r.Null()
	}
	for want, f := range map[string]format.Format[int]{
		",\"\",\"\",\\N,\n":     format.CSV(nil, row, &format.CSVOptions{LF: true}),
		"\\N\t\t\t\\\\N\t\\N\n": format.TSV(nil, row),
	} {
		if got, err := encode(f, 0); got != want || err != nil {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	alone := func(r *format.Row, _ *int) { r.Null() }
	if got, err := encode(format.CSV(nil, alone, nil), 0); err == nil {
		t.Errorf("a null alone: got %q, an empty line that readers skip", got)
	}
	if got, err := encode(format.TSV(nil, alone), 0); got != "\\N\n" || err != nil {
		t.Errorf("a null alone: got %q, %v", got, err)
	}
}

// Years that no reader takes were written all the same.
func TestAYearThatRFC3339HasNoFormForIsAnError(t *testing.T) {
	var at time.Time
	f := format.TSV(nil, func(r *format.Row, _ *int) { r.Int(1); r.Time(at) })
	for year, ok := range map[int]bool{-1: false, 0: true, 1: true, 9999: true, 10000: false, 292277026596: false} {
		at = time.Date(year, 6, 1, 0, 0, 0, 0, time.UTC)
		if got, err := encode(f, 0); (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "field 2") {
			t.Errorf("year %d: got %q, %v", year, got, err)
		}
	}
	at = time.Date(9999, 12, 31, 23, 0, 0, 0, time.FixedZone("", -3600*5)) // next year in UTC
	if got, err := encode(f, 0); err == nil {
		t.Errorf("got %q", got)
	}
}

func TestHeaderBeginsEachFileAndRowsMatchIt(t *testing.T) {
	header := []string{"id", `the "name"`}
	for _, c := range []struct {
		name   string
		format format.Format[[]string]
		ext    string
		want   string
	}{
		{"CSV", format.CSV(header, fields, nil), ".csv", "id,\"the \"\"name\"\"\"\r\n1,x\r\n"},
		{"CSV without", format.CSV(header, fields, &format.CSVOptions{NoHeader: true, LF: true}), ".csv", "1,x\n"},
		{"CSV with tabs", format.CSV(header, fields, &format.CSVOptions{Comma: '\t'}), ".tsv", "id\t\"the \"\"name\"\"\"\r\n1\tx\r\n"},
		{"TSV", format.TSV(header, fields), ".tsv", "id\tthe \"name\"\n1\tx\n"},
	} {
		if got, err := encode(c.format, []string{"1", "x"}); got != c.want || err != nil || c.format.Ext() != c.ext {
			t.Errorf("%s: got %q, %v, %q, want %q, %q", c.name, got, err, c.format.Ext(), c.want, c.ext)
		}
		if _, err := encode(c.format, []string{"1"}); err == nil {
			t.Errorf("%s: a row with a field too few: got no error", c.name)
		}
	}
	if _, err := encode(format.CSV(nil, fields, nil), []string{}); err == nil {
		t.Error("a row without fields: got no error")
	}
}

func TestRowWritesValuesTheShortWay(t *testing.T) {
	f := format.CSV(nil, func(r *format.Row, _ *int) {
		r.Int(math.MinInt64)
		r.Uint(math.MaxUint64)
		r.Float(0.1)
		r.Float(math.Inf(-1))
		r.Bool(true)
		r.Time(time.Date(2025, 5, 1, 8, 0, 0, 5e6, time.FixedZone("", 2*3600)))
		r.Null()
		r.String("")
	}, nil)
	want := "-9223372036854775808,18446744073709551615,0.1,-Inf,true,2025-05-01T06:00:00.005Z,,\"\"\r\n"
	if got, err := encode(f, 0); got != want || err != nil {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	fail := format.CSV(nil, func(r *format.Row, _ *int) { r.Fail(io.EOF); r.Fail(io.ErrNoProgress) }, nil)
	if _, err := encode(fail, 0); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want the first failure", err)
	}
}

func TestCSVRefusesACommaThatNumbersHold(t *testing.T) {
	for _, c := range []byte{'"', '\r', '\n', '.', '-', ':', '0', 'T', ' ', 0xc3} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("comma %q: did not panic", c)
				}
			}()
			format.CSV(nil, fields, &format.CSVOptions{Comma: c})
		}()
	}
}
