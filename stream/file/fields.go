package file

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/onceflow/onceflow/stream/record"
)

// Fields makes a parse function for stream.Decode from one that takes the fields of a CSV record. c is the Format of the
// source. A record that is not CSV, such as one with a quote inside an unquoted field, goes to the dead-letter flow. The
// fields are valid during the call. Those without quotes in them are parts of the record's value.
func Fields[T any](c CSV, parse func(fields [][]byte) (T, error)) func(*record.Record) (T, error) {
	if parse == nil {
		return nil // which Run refuses, as the function of Decode
	}
	var pool sync.Pool
	return func(r *record.Record) (v T, err error) {
		row, _ := pool.Get().(*row)
		if row == nil {
			row = newRow()
		}
		defer pool.Put(row)
		if err := row.split(r.Value, c.delimiter()); err != nil {
			return v, err
		}
		return parse(row.fields)
	}
}

// Columns is Fields for the columns that a file's header calls names. It passes them in the order of names, wherever they
// are in the file. A record that ends before one of them goes to the dead-letter flow. So do all records of a file that has
// no such column.
func Columns[T any](c CSV, names []string, parse func(columns [][]byte) (T, error)) func(*record.Record) (T, error) {
	if parse == nil {
		return nil // which Run refuses, as the function of Decode
	}
	var pool sync.Pool
	var known atomic.Pointer[columns] // of the last header; files that are read together nearly always have the same
	return func(r *record.Record) (v T, err error) {
		row, _ := pool.Get().(*row)
		if row == nil {
			row = newRow()
		}
		defer pool.Put(row)
		cols := known.Load()
		if header := headerOf(r); cols == nil || !bytes.Equal(cols.header, header) {
			if cols, err = findColumns(header, c.delimiter(), names); err != nil {
				return v, err
			}
			known.Store(cols)
		}
		if err := row.split(r.Value, c.delimiter()); err != nil {
			return v, err
		}
		row.picked = row.picked[:0]
		for i, at := range cols.at {
			if at >= len(row.fields) {
				return v, fmt.Errorf("%d fields, column %q is number %d", len(row.fields), names[i], at+1)
			}
			row.picked = append(row.picked, row.fields[at])
		}
		return parse(row.picked)
	}
}

// columns is where names are in a header.
type columns struct {
	header []byte
	at     []int
}

func headerOf(r *record.Record) []byte {
	for i := range r.Headers {
		if r.Headers[i].Key == HeaderKey {
			return r.Headers[i].Value
		}
	}
	return nil
}

func findColumns(header []byte, comma byte, names []string) (*columns, error) {
	if header == nil {
		return nil, errors.New("record without a header; is CSV.NoHeader set?")
	}
	head := newRow()
	if err := head.split(header, comma); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	c := &columns{header: bytes.Clone(header)}
	for _, name := range names {
		at := -1
		for i, f := range head.fields {
			if string(f) == name {
				at = i
				break
			}
		}
		if at < 0 {
			return nil, fmt.Errorf("no column %q in the header %q", name, header)
		}
		c.at = append(c.at, at)
	}
	return c, nil
}

// row takes CSV records apart, one after the other.
type row struct {
	fields, picked [][]byte
	text           []byte // of fields that had quotes
}

func newRow() *row { return &row{} }

var (
	errBareQuote = errors.New("a quote in a field that does not begin with one")
	errAfter     = errors.New("something after the quote that closes a field")
	errOpen      = errors.New("a quote that is not closed")
)

// split makes fields those of b, a record without its end of line.
func (r *row) split(b []byte, comma byte) error {
	r.fields, r.text = r.fields[:0], r.text[:0]
	if cap(r.text) < len(b) {
		r.text = make([]byte, 0, 2*len(b)) // never moved while fields point into it
	}
	for {
		if len(b) > 0 && b[0] == '"' {
			rest, err := r.quoted(b[1:])
			if err != nil {
				return err
			}
			if len(rest) == 0 {
				return nil
			}
			if rest[0] != comma {
				return errAfter
			}
			b = rest[1:]
			continue
		}
		end := bytes.IndexByte(b, comma)
		field := b
		if end >= 0 {
			field = b[:end]
		}
		if bytes.IndexByte(field, '"') >= 0 {
			return errBareQuote
		}
		r.fields = append(r.fields, field)
		if end < 0 {
			return nil
		}
		b = b[end+1:]
	}
}

// quoted adds the field whose opening quote is before b and returns what follows its closing quote.
func (r *row) quoted(b []byte) (rest []byte, err error) {
	q := bytes.IndexByte(b, '"')
	if q < 0 {
		return nil, errOpen
	}
	if q+1 == len(b) || b[q+1] != '"' {
		r.fields = append(r.fields, b[:q])
		return b[q+1:], nil
	}
	from := len(r.text)
	for {
		q := bytes.IndexByte(b, '"')
		switch {
		case q < 0:
			return nil, errOpen
		case q+1 < len(b) && b[q+1] == '"':
			r.text = append(r.text, b[:q+1]...)
			b = b[q+2:]
		default:
			r.text = append(r.text, b[:q]...)
			r.fields = append(r.fields, r.text[from:len(r.text):len(r.text)])
			return b[q+1:], nil
		}
	}
}
