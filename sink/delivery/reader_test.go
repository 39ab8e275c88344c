package delivery_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"iter"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/onceflow/onceflow/sink/delivery"
	"github.com/onceflow/onceflow/sink/format"
)

// cell is a field of these tests; nil is null.
type cell = *string

func text(s string) cell { return &s }

// write makes a file of rows with a header by a format.
func write(t *testing.T, f format.Format[[]cell], rows [][]cell) []byte {
	t.Helper()
	e := f.Open()
	b := e.Header(nil)
	for _, r := range rows {
		var err error
		if b, err = e.Encode(b, &r); err != nil {
			t.Fatalf("%v: %v", r, err)
		}
	}
	return b
}

func cells(r *format.Row, v *[]cell) {
	for _, c := range *v {
		if c == nil {
			r.Null()
		} else {
			r.String(*c)
		}
	}
}

func back(f *delivery.Fields) (row []cell, err error) {
	for i := range f.Len() {
		if s, ok := f.At(i); ok {
			row = append(row, &s)
		} else {
			row = append(row, nil)
		}
	}
	return row, nil
}

func collect[T any](rows iter.Seq2[T, error]) (all []T, err error) {
	for v, err := range rows {
		if err != nil {
			return all, err
		}
		all = append(all, v)
	}
	return all, nil
}

// What CSV and TSV write comes back, with null and an empty text told apart.
func TestDelimitedTextComesBack(t *testing.T) {
	header := []string{"a", "b,\"", "c"}
	long := strings.Repeat("long \"text\", ", 20000)
	rows := [][]cell{
		{text("1"), text("x"), nil}, {text(""), nil, text("")}, {nil, nil, nil}, {text(`\N`), text(`\`), text(`\\t`)},
		{text("line\nbreak"), text("cr\r\nlf"), text("\ttab\t")}, {text(`"`), text(`""`), text(`a"b`)}, {text("a,b;c|d"), text(" edge "), text("é")},
		{text(long), text(long), nil}, {text("\\."), text("\r"), text("\n")},
	}
	semicolon := &format.CSVOptions{Comma: ';', LF: true}
	bare := &format.CSVOptions{NoHeader: true}
	for name, c := range map[string]struct {
		format format.Format[[]cell]
		reader delivery.Reader[[]cell]
	}{
		"csv":       {format.CSV(header, cells, nil), delivery.CSV(header, back, nil)},
		"semicolon": {format.CSV(header, cells, semicolon), delivery.CSV(header, back, semicolon)},
		"bare":      {format.CSV(header, cells, bare), delivery.CSV(header, back, bare)},
		"tsv":       {format.TSV(header, cells), delivery.TSV(header, back)},
	} {
		file := write(t, c.format, rows)
		got, err := collect(c.reader(bytes.NewReader(file)))
		if err != nil || !reflect.DeepEqual(got, rows) {
			t.Errorf("%s: got %d rows, %v, want the %d that were written", name, len(got), err, len(rows))
			for i := range got {
				if !reflect.DeepEqual(got[i], rows[i]) {
					t.Errorf("row %d is another one", i)
				}
			}
		}
	}
}

// Columns are found by the name that they have in the file, so one that was added later is null in older files.
func TestColumnsAreFoundByName(t *testing.T) {
	type row struct {
		a, c string
		has  bool
	}
	read := delivery.CSV([]string{"a", "b", "c"}, func(f *delivery.Fields) (r row, err error) {
		r.a, _ = f.Get("a")
		r.c, r.has = f.Get("c")
		return r, nil
	}, nil)
	for file, want := range map[string]row{"a,b,c\r\n1,2,3\r\n": {"1", "3", true}, "b,a\r\n2,1\r\n": {"1", "", false}} {
		got, err := collect(read(strings.NewReader(file)))
		if err != nil || !slices.Equal(got, []row{want}) {
			t.Errorf("%q: got %v, %v, want %v", file, got, err, want)
		}
	}
}

func TestARowThatCannotBeReadIsRefused(t *testing.T) {
	header := []string{"a", "b"}
	fail := func(f *delivery.Fields) ([]cell, error) { return nil, errors.New("no") }
	json := delivery.JSONLines[struct{ A int }]()
	for name, rows := range map[string]iter.Seq2[[]cell, error]{
		"fields":       delivery.CSV(header, back, nil)(strings.NewReader("a,b\r\n1,2,3\r\n")),
		"open quote":   delivery.CSV(header, back, nil)(strings.NewReader("a,b\r\n\"1,2\r\n")),
		"inner quote":  delivery.CSV(header, back, nil)(strings.NewReader("a,b\r\n1\"\",2\r\n")),
		"after quote":  delivery.CSV(header, back, nil)(strings.NewReader("a,b\r\n\"1\"x,2\r\n")),
		"row function": delivery.TSV(header, fail)(strings.NewReader("a\tb\n1\t2\n")),
	} {
		if _, err := collect(rows); !errors.Is(err, delivery.ErrRefused) {
			t.Errorf("%s: got %v, want ErrRefused", name, err)
		}
	}
	if _, err := collect(json(strings.NewReader("{\"A\":1}\n{\"A\":\"x\"}\n"))); !errors.Is(err, delivery.ErrRefused) {
		t.Errorf("json: got %v, want ErrRefused", err)
	}
	broken := io.MultiReader(strings.NewReader("{\"A\":1}\n{\"A\""), iotest{})
	if got, err := collect(json(broken)); !errors.Is(err, errAway) || errors.Is(err, delivery.ErrRefused) || len(got) != 1 {
		t.Errorf("a file that breaks off: got %v, %v, want one row and the reader's error", got, err)
	}
}

type iotest struct{}

func (iotest) Read([]byte) (int, error) { return 0, errAway }

func FuzzCSVIsReadAsByTheStandardLibrary(f *testing.F) {
	f.Add("a,b\n\"x\"\"y\",\n")
	f.Add("1,\"2\r\n3\"\r\n")
	f.Fuzz(func(t *testing.T, file string) {
		std := csv.NewReader(strings.NewReader(file))
		std.FieldsPerRecord = -1
		want, err := std.ReadAll()
		if err != nil || strings.Contains(strings.ReplaceAll(file, "\r\n", ""), "\r") {
			return // it also takes a CR before the end of the file, and one within a field, for what it is not
		}
		if strings.Contains(file, "\n\n") || strings.Contains(file, "\n\r\n") || strings.HasPrefix(file, "\n") || strings.HasPrefix(file, "\r\n") {
			return // it skips empty lines, which the format never writes
		}
		got, err := collect(delivery.CSV(nil, back, nil)(strings.NewReader(file)))
		if err != nil || len(got) != len(want) {
			t.Fatalf("%q: got %d rows, %v, want %q", file, len(got), err, want)
		}
		for i, row := range got {
			var texts []string
			for _, c := range row {
				if c == nil {
					c = text("")
				}
				texts = append(texts, strings.ReplaceAll(*c, "\r\n", "\n")) // which it does within quotes
			}
			if !slices.Equal(texts, want[i]) {
				t.Fatalf("%q: row %d is %q, want %q", file, i, texts, want[i])
			}
		}
	})
}

func TestCursorsComeBackFromTheirText(t *testing.T) {
	for _, s := range []string{"", "3f0a/entry=17", "3f0a/entry=17/hour=2025-05-01T06:00:00Z"} {
		c, err := delivery.ParseCursor(s)
		if err != nil || c.String() != s {
			t.Errorf("%q: got %q, %v", s, c, err)
		}
	}
	for _, s := range []string{"3f0a", "3f0a/entry=", "3f0a/entry=017", "3f0a/entry=1/hour=2025", "/entry=1", "3f0a/entry=1/x=1"} {
		if c, err := delivery.ParseCursor(s); err == nil {
			t.Errorf("%q: got %q, want an error", s, c)
		}
	}
}

func BenchmarkRows(b *testing.B) {
	type hit struct {
		ID, Site, Page, Agent, Country string
		User, Bytes                    int64
		Price                          float64
	}
	line := `{"ID":"0f3b7c","Site":"shop","Page":"/shop/17","Agent":"Mozilla/5.0","Country":"se","User":4711,"Bytes":123456,"Price":9.99}` + "\n"
	row := "0f3b7c,shop,/shop/17,Mozilla/5.0,se,4711,123456,9.99\r\n"
	header := []string{"ID", "Site", "Page", "Agent", "Country", "User", "Bytes", "Price"}
	const n = 1000
	json, csv := strings.Repeat(line, n), strings.Join(header, ",")+"\r\n"+strings.Repeat(row, n)
	b.Run("json", func(b *testing.B) { benchmark(b, n, delivery.JSONLines[hit](), json) })
	b.Run("csv", func(b *testing.B) {
		benchmark(b, n, delivery.CSV(header, func(f *delivery.Fields) (h hit, err error) {
			h.ID, _ = f.At(0)
			h.Page, _ = f.At(2)
			return h, nil
		}, nil), csv)
	})
}

func benchmark[T any](b *testing.B, n int, read delivery.Reader[T], file string) {
	b.ReportAllocs()
	for b.Loop() {
		got := 0
		for _, err := range read(strings.NewReader(file)) {
			if err != nil {
				b.Fatal(err)
			}
			got++
		}
		if got != n {
			b.Fatalf("%d rows, want %d", got, n)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/row")
}
