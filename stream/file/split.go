package file

import "bytes"

// verdict is what split says of the bytes it was given.
type verdict uint8

const (
	more     verdict = iota // no record ends in these bytes
	record                  // value is a record
	blank                   // a line that is no record
	tooLong                 // a line longer than the limit that ends in these bytes
	endless                 // a line longer than the limit whose end is not in sight
	unclosed                // the first line of a CSV record whose quote is not closed within the limit or the file
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
	line.verdict = record
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

// quoted is split for a CSV record with quotes; line is its first line.
func (r *rules) quoted(b []byte, last bool, limit int, line cut) cut {
	window := b[:min(len(b), limit+2)]
	whole := last && len(window) == len(b)
	end, found := r.recordEnd(window, whole)
	if !found {
		if !whole && len(window) <= limit+1 {
			return cut{}
		}
		line.verdict = unclosed
		return line
	}
	c := one(b, end)
	if len(c.value) > limit {
		line.verdict = unclosed
		return line
	}
	c.verdict, c.lines = record, line.lines
	if c.n > line.n {
		c.lines = int64(bytes.Count(b[:c.n], newline))
		if b[c.n-1] != '\n' {
			c.lines++
		}
	}
	return c
}

var newline = []byte{'\n'}

// recordEnd is the index of the newline that ends the CSV record at the start of b; -1 if b ends it. A quote where none
// may be makes the record end with its line, so that a broken line does not swallow others: whoever takes the fields
// apart will refuse it. found is false if the end is not in b.
func (r *rules) recordEnd(b []byte, whole bool) (end int, found bool) {
	toLine := func(i int) (int, bool) {
		if n := bytes.IndexByte(b[i:], '\n'); n >= 0 {
			return i + n, true
		}
		return -1, whole
	}
	for i := 0; i < len(b); {
		if b[i] != '"' {
			for i < len(b) && b[i] != r.comma && b[i] != '\n' && b[i] != '"' {
				i++
			}
			if i == len(b) || b[i] != r.comma {
				return toLine(min(i, len(b)))
			}
			i++
			continue
		}
		after, closed := closing(b, i+1)
		switch {
		case !closed:
			return 0, false
		case after == len(b):
			return -1, whole
		case b[after] == r.comma:
			i = after + 1
		case b[after] == '\r' && after+1 == len(b) && !whole:
			return 0, false
		default: // the end of the line, or a quote where none may be
			return toLine(after)
		}
	}
	return -1, whole
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
