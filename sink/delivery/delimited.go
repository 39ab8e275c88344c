package delivery

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/onceflow/onceflow/sink/format"
)

// Fields are those of one row of CSV or TSV. They belong to the reader; a row function must not keep them.
type Fields struct {
	names  []string
	index  map[string]int
	values []field
}

type field struct {
	text []byte
	null bool
}

// Len is the number of fields.
func (f *Fields) Len() int { return len(f.values) }

// At is the ith field. false says that it is null, or that the row has no such field.
func (f *Fields) At(i int) (string, bool) {
	if i >= len(f.values) || f.values[i].null {
		return "", false
	}
	return string(f.values[i].text), true
}

// Get is the field of a name in the header. false says that it is null, or that the file has no such column, as files that were written
// before it was added.
func (f *Fields) Get(name string) (string, bool) {
	i, ok := f.index[name]
	if !ok {
		return "", false
	}
	return f.At(i)
}

// CSV reads what format.CSV writes with the same header and options. A field without quotes that is empty is null. The names of the
// columns are those in the file; header is for files without any. row must not keep f, and refuses a row by an error.
func CSV[T any](header []string, row func(f *Fields) (T, error), opts *format.CSVOptions) Reader[T] {
	var o format.CSVOptions
	if opts != nil {
		o = *opts
	}
	if o.Comma == 0 {
		o.Comma = ','
	}
	return delimited(header, o.NoHeader, row, func(b *bufio.Reader) iter.Seq2[[]field, error] { return quoted(b, o.Comma) })
}

// TSV reads what format.TSV writes with the same header: lines, with tabs between the fields, and backslashes. \N is null.
func TSV[T any](header []string, row func(f *Fields) (T, error)) Reader[T] {
	return delimited(header, false, row, backslashed)
}

func delimited[T any](header []string, noHeader bool, row func(*Fields) (T, error), split func(*bufio.Reader) iter.Seq2[[]field, error]) Reader[T] {
	return func(r io.Reader) iter.Seq2[T, error] {
		return func(yield func(T, error) bool) {
			var none T
			var f Fields
			f.name(header)
			head := len(header) > 0 && !noHeader
			for fields, err := range split(buffered(r)) {
				if err != nil {
					yield(none, err)
					return
				}
				if head {
					head = false
					names := make([]string, len(fields))
					for i := range fields {
						names[i] = string(fields[i].text)
					}
					f.name(names)
					continue
				}
				f.values = fields
				v := none
				if n := len(f.names); n > 0 && n != len(fields) {
					err = fmt.Errorf("it has %d fields, the header has %d", len(fields), n)
				} else {
					v, err = row(&f)
				}
				if err != nil {
					yield(none, Refuse(err))
					return
				}
				if !yield(v, nil) {
					return
				}
			}
		}
	}
}

func (f *Fields) name(names []string) {
	f.names, f.index = names, make(map[string]int, len(names))
	for i, n := range names {
		f.index[n] = i
	}
}

var (
	errQuote     = errors.New("a quote within a field")
	errOpenQuote = errors.New("a quote is not closed")
)

// quoted splits text by RFC 4180. The fields are valid until the next row.
func quoted(b *bufio.Reader, comma byte) iter.Seq2[[]field, error] {
	return func(yield func([]field, error) bool) {
		var fields []field
		var row []byte // lines of a row, since a field in quotes may have several
		for line, err := range lines(b) {
			if err != nil {
				yield(nil, err)
				return
			}
			if len(row) > 0 {
				row = append(append(row, '\n'), line...)
			} else {
				row = append(row, line...)
			}
			if bytes.Count(row, []byte{'"'})%2 == 1 {
				continue // the line ends within quotes
			}
			var bad error
			fields, bad = splitQuoted(fields[:0], bytes.TrimSuffix(row, []byte{'\r'}), comma)
			if bad != nil {
				yield(nil, Refuse(bad))
				return
			}
			if !yield(fields, nil) {
				return
			}
			row = row[:0]
		}
		if len(row) > 0 {
			yield(nil, Refuse(errOpenQuote))
		}
	}
}

// splitQuoted appends the fields of a row, and takes the doubled quotes out of row where it lies.
func splitQuoted(fields []field, row []byte, comma byte) ([]field, error) {
	for {
		if len(row) == 0 || row[0] != '"' {
			end := bytes.IndexByte(row, comma)
			text := row
			if end >= 0 {
				text = row[:end]
			}
			if bytes.IndexByte(text, '"') >= 0 {
				return nil, errQuote
			}
			fields = append(fields, field{text, len(text) == 0})
			if end < 0 {
				return fields, nil
			}
			row = row[end+1:]
			continue
		}
		text, rest := row[1:1], row[1:]
		for {
			q := bytes.IndexByte(rest, '"')
			if q < 0 {
				return nil, errOpenQuote
			}
			text = append(text, rest[:q]...)
			rest = rest[q+1:]
			if len(rest) == 0 || rest[0] != '"' {
				break
			}
			text = append(text, '"')
			rest = rest[1:]
		}
		fields = append(fields, field{text, false})
		if len(rest) == 0 {
			return fields, nil
		}
		if rest[0] != comma {
			return nil, errQuote
		}
		row = rest[1:]
	}
}

// backslashed splits lines at tabs. The fields are valid until the next row.
func backslashed(b *bufio.Reader) iter.Seq2[[]field, error] {
	return func(yield func([]field, error) bool) {
		var fields []field
		for line, err := range lines(b) {
			if err != nil {
				yield(nil, err)
				return
			}
			fields = fields[:0]
			for more := true; more; {
				var text []byte
				text, line, more = bytes.Cut(line, []byte{'\t'})
				null := string(text) == `\N`
				fields = append(fields, field{unescape(text), null})
			}
			if !yield(fields, nil) {
				return
			}
		}
	}
}

// unescape takes the backslashes out of text where it lies.
func unescape(text []byte) []byte {
	at := bytes.IndexByte(text, '\\')
	if at < 0 {
		return text
	}
	out := text[:at]
	for i := at; i < len(text); i++ {
		c := text[i]
		if c == '\\' && i+1 < len(text) {
			i++
			switch c = text[i]; c {
			case 't':
				c = '\t'
			case 'n':
				c = '\n'
			case 'r':
				c = '\r'
			}
		}
		out = append(out, c)
	}
	return out
}
