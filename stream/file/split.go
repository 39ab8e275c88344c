package file

import "bytes"

// verdict is what split says of the bytes it was given.
type verdict uint8

const (
	more    verdict = iota // no record ends in these bytes
	aRecord                // value is a record
	blank                  // a line that is no record
	tooLong                // a line longer than the limit that ends in these bytes
	endless                // a line longer than the limit whose end is not in sight
)

// cut is the first record of some bytes.
type cut struct {
	verdict verdict
	value   []byte // without the end of line; for what is no record its line
	n       int    // bytes to go on, with the end of line
	lines   int64  // ends of lines in them
}

// split finds the record at the start of b, which is the start of a line. last says that nothing follows b. What it
// finds depends on b's first bytes alone and not on how many follow a whole record, so that a file is cut the same way
// however it is read. It never returns more if last is set and b is not empty.
func (r *rules) split(b []byte, last bool, limit int) cut {
	end := bytes.IndexByte(b, '\n')
	if end < 0 && !last {
		if len(b) > limit+1 { // one more for a carriage return
			return cut{verdict: endless, value: b, n: len(b)}
		}
		return cut{}
	}
	line := one(b, end)
	switch {
	case line.n == 0:
		return cut{}
	case len(line.value) > limit:
		line.verdict = tooLong
		return line
	case r.blank != nil && r.blank(line.value):
		line.verdict = blank
		return line
	}
	line.verdict = aRecord
	if r.comma == 0 || bytes.IndexByte(line.value, '"') < 0 {
		return line
	}
	return r.quoted(b, last, limit, line)
}

// one is the line of b that ends at the newline at end, or with b if end is negative.
func one(b []byte, end int) cut {
	c := cut{n: end + 1, lines: 1}
	if end < 0 {
		end, c.n = len(b), len(b)
	}
	c.value = b[:end]
	if end > 0 && b[end-1] == '\r' {
		c.value = b[:end-1]
	}
	return c
}

// quoted is split for a CSV record with quotes; line is its first line. A record with a quote where none may be, or
// whose quote is not closed within the limit or the file, is its first line: so a broken line does not swallow others.
// Whoever takes the fields apart will refuse it.
func (r *rules) quoted(b []byte, last bool, limit int, line cut) cut {
	window := b[:min(len(b), limit+2)]
	last = last && len(window) == len(b)
	end, found := r.recordEnd(window, last)
	switch {
	case found == notYet && !last && len(window) <= limit+1:
		return cut{}
	case found != atEnd || 0 <= end && end < line.n:
		return line
	}
	c := one(b, end)
	if len(c.value) > limit {
		return line
	}
	c.verdict = aRecord
	c.lines = int64(bytes.Count(c.value, newline)) + 1
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
func (r *rules) recordEnd(b []byte, last bool) (end int, f finding) {
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
			for i < len(b) && b[i] != r.comma && b[i] != '\n' && b[i] != '"' {
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
		case b[i] != r.comma:
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
