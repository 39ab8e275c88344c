package format

import (
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
)

// Row takes the fields of one row of delimited text, in their order. It belongs to the encoder; a row function must not
// keep it. Of text, each byte that is not UTF-8 becomes U+FFFD, since PostgreSQL and others refuse a whole file for one.
type Row struct {
	buf    []byte
	start  int // of the row in buf
	fields int
	err    error

	comma   byte
	newline string
	escapes bool // backslashes, else quotes
	want    int  // fields; 0 is any number but none
}

// String adds a field.
func (r *Row) String(s string) {
	if !utf8.ValidString(s) {
		s = replaced(s)
	}
	text(r, s)
}

// Bytes adds a field, as String does, without making a string of it.
func (r *Row) Bytes(p []byte) {
	if !utf8.Valid(p) {
		r.String(string(p))
		return
	}
	text(r, p)
}

func text[S string | []byte](r *Row, s S) {
	if r.escapes {
		r.buf = appendBackslashed(r.next(), s)
	} else {
		r.buf = appendQuoted(r.next(), s, r.comma)
	}
}

// Int adds a number.
func (r *Row) Int(n int64) { r.buf = strconv.AppendInt(r.next(), n, 10) }

// Uint adds a number.
func (r *Row) Uint(n uint64) { r.buf = strconv.AppendUint(r.next(), n, 10) }

// Float adds a number, as short as reads back to the same; NaN, +Inf and -Inf by these names.
func (r *Row) Float(f float64) { r.buf = strconv.AppendFloat(r.next(), f, 'g', -1, 64) }

// Bool adds true or false.
func (r *Row) Bool(b bool) { r.buf = strconv.AppendBool(r.next(), b) }

// Time adds a time in UTC by RFC 3339, with as many digits of the second as it needs. A year before 0 or after 9999, which
// has no such form, sends the row to the dead-letter flow.
func (r *Row) Time(t time.Time) {
	t = t.UTC()
	if y := t.Year(); y < 0 || y > 9999 {
		r.Fail(fmt.Errorf("field %d: the year %d has no form in RFC 3339", r.fields+1, y))
	}
	r.buf = t.AppendFormat(r.next(), time.RFC3339Nano)
}

// Null adds a field without a value, as PostgreSQL and ClickHouse read it: nothing at all in CSV, where an empty string is "",
// and \N in TSV, as MySQL's manual has it, too. Other readers of CSV take both for null, or both for an empty string.
func (r *Row) Null() {
	r.buf = r.next()
	if r.escapes {
		r.buf = append(r.buf, `\N`...)
	}
}

// Fail says that this row cannot be written; its record goes to the dead-letter flow with err.
func (r *Row) Fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// next begins a field, which is to be appended to what it returns.
func (r *Row) next() []byte {
	r.fields++
	if r.fields == 1 {
		return r.buf
	}
	return append(r.buf, r.comma)
}

// begin starts a row that is appended to dst.
func (r *Row) begin(dst []byte) {
	r.buf, r.start, r.fields, r.err = dst, len(dst), 0, nil
}

// end ends it, and tells what is wrong with it if it has not the wanted number of fields.
func (r *Row) end() ([]byte, error) {
	if r.err == nil {
		switch {
		case r.want > 0 && r.fields != r.want:
			r.err = fmt.Errorf("row has %d fields, the header %d", r.fields, r.want)
		case r.fields == 0:
			r.err = fmt.Errorf("row has no field")
		}
	}
	if !r.escapes && r.fields == 1 && len(r.buf) == r.start && r.err == nil {
		r.err = errors.New("row has one field and that is null: readers skip empty lines")
	}
	dst, err := append(r.buf, r.newline...), r.err
	r.buf, r.err = nil, nil
	return dst, err
}

// appendQuoted appends a field by RFC 4180: in quotes, with the quotes in it doubled, if anything in it could be taken for
// more than text. Spaces at the ends belong to the field; quotes keep readers from trimming them. So does a byte order
// mark at the beginning.
func appendQuoted[S string | []byte](dst []byte, s S, comma byte) []byte {
	if !needsQuotes(s, comma) {
		return append(dst, s...)
	}
	dst = append(dst, '"')
	from := 0
	for i := range len(s) {
		if s[i] == '"' {
			dst = append(append(dst, s[from:i]...), '"')
			from = i
		}
	}
	return append(append(dst, s[from:]...), '"')
}

func needsQuotes[S string | []byte](s S, comma byte) bool {
	if len(s) == 0 {
		return true // else it is null
	}
	if edge(s[0]) || edge(s[len(s)-1]) || s[0] == 0xef {
		return true
	}
	if len(s) == 2 && s[0] == '\\' && s[1] == '.' { // the end of the data to PostgreSQL
		return true
	}
	for i := range len(s) {
		if c := s[i]; c == '"' || c == comma || c == '\n' || c == '\r' {
			return true
		}
	}
	return false
}

func edge(c byte) bool { return c == ' ' || c == '\t' || c == '\v' || c == '\f' }

// appendBackslashed appends a field such that it holds no tab and no end of a line.
func appendBackslashed[S string | []byte](dst []byte, s S) []byte {
	from := 0
	for i := range len(s) {
		var c byte
		switch s[i] {
		case '\t':
			c = 't'
		case '\n':
			c = 'n'
		case '\r':
			c = 'r'
		case '\\':
			c = '\\'
		default:
			continue
		}
		dst = append(append(dst, s[from:i]...), '\\', c)
		from = i + 1
	}
	return append(dst, s[from:]...)
}
