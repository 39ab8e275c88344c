package file

import (
	"bytes"
	"cmp"
)

// Format says how the bytes of a file are cut into records: NDJSON, Lines or CSV. A byte order mark is dropped.
type Format interface {
	rules() rules
}

// NDJSON is one record a line. Lines without anything but blanks are no records. A carriage return before the newline
// is dropped.
type NDJSON struct{}

// Lines is one record a line, also if it is empty. A carriage return before the newline is dropped.
type Lines struct{}

// CSV is RFC 4180: fields may be quoted and then hold commas, quotes in pairs, and newlines. Empty lines are no records.
// A record's value is its bytes as they stand, without the newline at its end; [Columns] and [Fields] take it apart. A
// quote that is out of place, or is never closed, costs its line alone: that line is a record by itself, which they refuse.
type CSV struct {
	// Comma separates fields.
	//
	// Defaults to ','.
	Comma byte

	// NoHeader says that the first record is data. Otherwise it names the columns: it is no record, and each record
	// carries it as its header named [HeaderKey].
	NoHeader bool
}

// HeaderKey is the key of the record header that holds the first record of a CSV file.
const HeaderKey = "csv-header"

func (c CSV) delimiter() byte { return cmp.Or(c.Comma, ',') }

type rules struct {
	comma  byte // 0 if not CSV
	header bool
	blank  func(line []byte) bool // no record; nil if all lines are
}

func (NDJSON) rules() rules { return rules{blank: spaces} }
func (Lines) rules() rules  { return rules{} }
func (c CSV) rules() rules {
	return rules{comma: c.delimiter(), header: !c.NoHeader, blank: empty}
}

func empty(line []byte) bool { return len(line) == 0 }

func spaces(line []byte) bool {
	if len(line) > 0 && line[0] > ' ' {
		return false // nearly always
	}
	return len(bytes.TrimLeft(line, " \t\r")) == 0
}
