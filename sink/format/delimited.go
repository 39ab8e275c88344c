package format

import (
	"errors"
	"fmt"
)

// CSVOptions are the optional settings of CSV; nil means all defaults.
type CSVOptions struct {
	// Comma separates fields. It is a comma, semicolon, bar, tab, or another control character except NUL, CR and LF. CSV
	// panics on any other byte, since numbers and times could hold it. With a tab the extension is ".tsv"; see TSV for the
	// other kind of tab-separated text.
	//
	// Defaults to a comma.
	Comma byte

	// NoHeader leaves the header out of the files. Its length is still the number of fields that rows must have.
	NoHeader bool

	// LF ends lines with LF alone, which Unix tools prefer, instead of CR LF, which RFC 4180 wants.
	LF bool
}

// CSV writes rows as RFC 4180 says: lines end with CR LF, and a field that holds a comma, a quote or the end of a line, or
// begins or ends with white space, is in quotes. Each file begins with header, and each row must have as many fields as it;
// a nil header is none, and rows of any length. Fields are stored as they are: a value such as "=1+1" is a formula to a
// spreadsheet, which only its reader can prevent. An empty string is "", so that it is not Row.Null.
//
// row adds the fields of v to r. It must not keep them, and is called by several goroutines at once. Concatenated files
// repeat the header; leave it out where files are joined.
func CSV[T any](header []string, row func(r *Row, v *T), opts *CSVOptions) Format[T] {
	var o CSVOptions
	if opts != nil {
		o = *opts
	}
	ext, r := ".csv", Row{comma: ',', newline: "\r\n"}
	if o.Comma != 0 {
		r.comma = o.Comma
	}
	if o.LF {
		r.newline = "\n"
	}
	switch c := r.comma; {
	case c == '\t':
		ext = ".tsv"
	case c == '\r' || c == '\n' || c >= ' ' && c != ',' && c != ';' && c != '|':
		panic(fmt.Sprintf("format: CSV cannot separate fields with %q", c))
	}
	f := newDelimited(ext, header, row, r)
	if o.NoHeader {
		f.header = nil
	}
	return f
}

// TSV writes rows as lines of fields with tabs between them. In fields a tab is written as \t, LF as \n, CR as \r and a
// backslash as \\, and there are no quotes. So each line is a row and each tab a border, as PostgreSQL's COPY, ClickHouse's
// TabSeparated and MySQL's LOAD DATA read by default. Readers of CSV that are told of the tab leave the backslashes in. For
// quotes, as spreadsheets make them, use CSV with a tab for a comma. header and row are as for CSV.
func TSV[T any](header []string, row func(r *Row, v *T)) Format[T] {
	return newDelimited(".tsv", header, row, Row{comma: '\t', newline: "\n", escapes: true})
}

// delimited is CSV and TSV.
type delimited[T any] struct {
	ext    string
	header []byte
	row    func(r *Row, v *T)
	empty  Row // a row of this kind without fields
}

func newDelimited[T any](ext string, header []string, row func(r *Row, v *T), empty Row) delimited[T] {
	empty.want = len(header)
	f := delimited[T]{ext: ext, row: row, empty: empty}
	if len(header) > 0 {
		for _, h := range header {
			empty.String(h)
		}
		f.header, _ = empty.end() // it has the fields that it wants
	}
	return f
}

// Check tells that there is no row function.
func (f delimited[T]) Check() error {
	if f.row == nil {
		return errors.New("the row function of CSV or TSV is nil")
	}
	return nil
}

func (f delimited[T]) Ext() string { return f.ext }

func (f delimited[T]) Open() Encoder[T] { return &delimitedEncoder[T]{f.header, f.row, f.empty} }

type delimitedEncoder[T any] struct {
	header []byte
	row    func(r *Row, v *T)
	r      Row // here, because a Row of its own for each row would be on the heap
}

func (e *delimitedEncoder[T]) Header(dst []byte) []byte { return append(dst, e.header...) }

func (e *delimitedEncoder[T]) Encode(dst []byte, v *T) ([]byte, error) {
	e.r.begin(dst)
	e.row(&e.r, v)
	return e.r.end()
}
