package cut

import "bytes"

// Rules say what a record is. The zero value makes a record of each line.
type Rules struct {
	Comma  byte                   // of CSV; 0 if it is not CSV
	Header bool                   // the first record names columns
	Blank  func(line []byte) bool // no record; nil if all lines are
}

// Empty says that a line has no bytes.
func Empty(line []byte) bool { return len(line) == 0 }

// Spaces says that a line has nothing but blanks.
func Spaces(line []byte) bool {
	if len(line) > 0 && line[0] > ' ' {
		return false // nearly always
	}
	return len(bytes.TrimLeft(line, " \t\r")) == 0
}

// Verdict is what Split says of the bytes it was given.
type Verdict uint8

// The verdicts.
const (
	More    Verdict = iota // no record ends in these bytes
	Record                 // value is a record
	Blank                  // a line that is no record
	TooLong                // a line longer than the limit that ends in these bytes
	Endless                // a line longer than the limit whose end is not in sight
)

// Cut is the first record of some bytes.
type Cut struct {
	Verdict Verdict
	Value   []byte // without the end of line; for what is no record its line
	N       int    // bytes to go on, with the end of line
	Lines   int64  // ends of lines in them
}

// Split finds the record at the start of b, which is the start of a line. last says that nothing follows b. What it
// finds depends on b's first bytes alone and not on how many follow a whole record, so that a file is cut the same way
// however it is read. It never returns More if last is set and b is not empty.
func (r *Rules) Split(b []byte, last bool, limit int) Cut {
	end := bytes.IndexByte(b, '\n')
	if end < 0 && !last {
		if len(b) > limit+1 { // one more for a carriage return
			return Cut{Verdict: Endless, Value: b, N: len(b)}
		}
		return Cut{}
	}
	line := one(b, end)
	switch {
	case line.N == 0:
		return Cut{}
	case len(line.Value) > limit:
		line.Verdict = TooLong
		return line
	case r.Blank != nil && r.Blank(line.Value):
		line.Verdict = Blank
		return line
	}
	line.Verdict = Record
	if r.Comma == 0 || bytes.IndexByte(line.Value, '"') < 0 {
		return line
	}
	return r.quoted(b, last, limit, line)
}

// one is the line of b that ends at the newline at end, or with b if end is negative.
func one(b []byte, end int) Cut {
	c := Cut{N: end + 1, Lines: 1}
	if end < 0 {
		end, c.N = len(b), len(b)
	}
	c.Value = b[:end]
	if end > 0 && b[end-1] == '\r' {
		c.Value = b[:end-1]
	}
	return c
}

// quoted is Split for a CSV record with quotes; line is its first line. A record with a quote where none may be, or
// whose quote is not closed within the limit or the file, is its first line: so a broken line does not swallow others.
// Whoever takes the fields apart will refuse it.
func (r *Rules) quoted(b []byte, last bool, limit int, line Cut) Cut {
	window := b[:min(len(b), limit+2)]
	last = last && len(window) == len(b)
	end, found := r.recordEnd(window, last)
	switch {
	case found == notYet && !last && len(window) <= limit+1:
		return Cut{}
	case found != atEnd || 0 <= end && end < line.N:
		return line
	}
	c := one(b, end)
	if len(c.Value) > limit {
		return line
	}
	c.Verdict = Record
	c.Lines = int64(bytes.Count(c.Value, newline)) + 1
	return c
}

var newline = []byte{'\n'}

type finding uint8

const (
	notYet finding = iota // more bytes are needed
	atEnd
	misplaced // a quote where none may be
)

// recordEnd is the index of the newline that ends the CSV record at the start of b; -1 if b ends it.
func (r *Rules) recordEnd(b []byte, last bool) (end int, f finding) {
	for i := 0; ; i++ { // at the start of a field
		if i < len(b) && b[i] == '"' {
			var closed bool
			if i, closed = closing(b, i+1); !closed {
				return 0, notYet
			}
			if i < len(b) && b[i] == '\r' && (i+1 < len(b) && b[i+1] == '\n' || i+1 == len(b)) {
				i++
			}
		} else {
			for i < len(b) && b[i] != r.Comma && b[i] != '\n' && b[i] != '"' {
				i++
			}
		}
		switch {
		case i >= len(b) && last:
			return -1, atEnd
		case i >= len(b):
			return 0, notYet
		case b[i] == '\n':
			return i, atEnd
		case b[i] != r.Comma:
			return 0, misplaced
		}
	}
}

// closing is the index after the quote that closes the field whose content begins at i.
func closing(b []byte, i int) (after int, closed bool) {
	for {
		q := bytes.IndexByte(b[i:], '"')
		if q < 0 {
			return 0, false
		}
		i += q + 1
		if i == len(b) || b[i] != '"' {
			return i, true
		}
		i++
	}
}

// First is the number of bytes up to the end of the first line that is a record; 0 if it is not in b. last says that nothing
// follows b.
func (r *Rules) First(b []byte, last bool) int {
	header := r.Header
	for at := 0; at < len(b); {
		end := bytes.IndexByte(b[at:], '\n')
		if end < 0 && !last {
			return 0
		}
		line := one(b[at:], end)
		at += line.N
		switch {
		case r.Blank != nil && r.Blank(line.Value):
		case header:
			header = false
		default:
			return at
		}
	}
	return 0
}

// OldMac reports whether b, the beginning of a text, has lines that end with a carriage return alone: all of them would be one
// line. Of lines without rules nobody can say.
func (r *Rules) OldMac(b []byte) bool {
	line, _, _ := bytes.Cut(b, newline)
	line = bytes.TrimRight(line, "\r")
	if r.Comma == 0 {
		return r.Blank != nil && bytes.Contains(line, []byte("}\r{"))
	}
	for quoted, rest := false, line; ; quoted = !quoted {
		part, after, more := bytes.Cut(rest, []byte{'"'})
		if !quoted && bytes.IndexByte(part, '\r') >= 0 {
			return true
		}
		if !more {
			return false
		}
		rest = after
	}
}
