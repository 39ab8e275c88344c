package sink

import (
	"errors"
	"fmt"
)

// CSVOptions are the optional settings of CSV; nil means all defaults.
type CSVOptions struct {
	// Comma separates fields: a comma, semicolon, bar, tab, or another control character but NUL, CR and LF; CSV panics if it
	// is none of these, since numbers and times could hold it. With a tab the extension is ".tsv"; see TSV for the other kind
	// of tab-separated text.
	//
	// Defaults to a comma.
	Comma byte

	// NoHeader leaves the header out of the files; its length still is the number of fields that rows must have.
	NoHeader bool

	// LF ends lines with LF alone, which Unix tools prefer, instead of CR LF, which RFC 4180 wants.
	LF bool
}

// CSV writes rows as RFC 4180 says: lines end with CR LF, and a field that holds a comma, a quote or the end of a line, or
// begins or ends with white space, is in quotes. Each file begins with header, and each row must have as many fields as it;
// a nil header is none, and rows of any length. Fields are stored as they are: a value such as "=1+1" is a formula to a
// spreadsheet, which only its reader can prevent. An empty string and Row.Empty are the same.
//
// row adds the fields of v to r. It must not keep them, and is called by several goroutines at once. Concatenated files
// repeat the header; leave it out where files are joined.
func CSV[T any](header []string, row func(r *Row, v *T), opts *CSVOptions) Format[T] {
	f := delimited[T]{row: row, ext: ".csv", newline: "\r\n", comma: ',', fields: len(header)}
	if opts != nil {
		if opts.Comma != 0 {
			f.comma = opts.Comma
		}
		if opts.LF {
			f.newline = "\n"
		}
	}
	switch c := f.comma; {
	case c == '\t':
		f.ext = ".tsv"
	case c == 0 || c == '\r' || c == '\n' || c >= ' ' && c != ',' && c != ';' && c != '|':
		panic(fmt.Sprintf("sink: CSV cannot separate fields with %q", c))
	}
	if opts == nil || !opts.NoHeader {
		f.header = f.headerLine(header)
	}
	return f
}

// TSV writes rows as lines of fields with tabs between them. In fields a tab is written as \t, LF as \n, CR as \r and a
// backslash as \\, and there are no quotes: so each line is a row and each tab a border, which is what PostgreSQL's COPY,
// ClickHouse's TabSeparated and MySQL's LOAD DATA read by default. For quotes, as spreadsheets make them, use CSV with a
// tab for a comma. header and row are as for CSV.
func TSV[T any](header []string, row func(r *Row, v *T)) Format[T] {
	f := delimited[T]{row: row, ext: ".tsv", newline: "\n", comma: '\t', escapes: true, fields: len(header)}
	f.header = f.headerLine(header)
	return f
}

// delimited is CSV and TSV.
type delimited[T any] struct {
	row          func(r *Row, v *T)
	ext, newline string
	header       []byte
	fields       int // in a row; 0 is any number
	comma        byte
	escapes      bool
}

func (f delimited[T]) check() error {
	if f.row == nil {
		return errors.New("the row function of CSV or TSV is nil")
	}
	return nil
}

func (f delimited[T]) headerLine(header []string) []byte {
	if len(header) == 0 {
		return nil
	}
	r := Row{comma: f.comma, escapes: f.escapes}
	r.begin(nil)
	for _, h := range header {
		r.String(h)
	}
	line, _ := r.end(0, f.newline) // there is a field
	return line
}

func (f delimited[T]) Ext() string { return f.ext }

func (f delimited[T]) Open() Encoder[T] {
	return &delimitedEncoder[T]{delimited: f, r: Row{comma: f.comma, escapes: f.escapes}}
}

type delimitedEncoder[T any] struct {
	delimited[T]
	r Row // here, because a Row of its own for each row would be on the heap
}

func (e *delimitedEncoder[T]) Header(dst []byte) []byte { return append(dst, e.header...) }

func (e *delimitedEncoder[T]) Encode(dst []byte, v *T) ([]byte, error) {
	e.r.begin(dst)
	e.row(&e.r, v)
	return e.r.end(e.fields, e.newline)
}
