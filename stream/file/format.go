package file

import (
	"cmp"

	"github.com/onceflow/onceflow/stream/file/internal/cut"
)

// Format says how the bytes of a file are cut into records: NDJSON, Lines or CSV. A byte order mark is dropped.
type Format interface {
	rules() cut.Rules
}

// NDJSON is one record a line. Lines without anything but blanks are no records. A carriage return before the newline
// is dropped.
type NDJSON struct{}

// Lines is one record a line, also if it is empty. A carriage return before the newline is dropped.
type Lines struct{}

// CSV is RFC 4180: fields may be quoted and then hold commas, quotes in pairs, and newlines. Empty lines are no records. A
// record's value is its bytes as they are, without the newline at its end; [Columns] and [Fields] parse it. A quote that is
// out of place, or is never closed, costs its line alone: that line is a record by itself, which they refuse.
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

func (NDJSON) rules() cut.Rules { return cut.Rules{Blank: cut.Spaces} }
func (Lines) rules() cut.Rules  { return cut.Rules{} }
func (c CSV) rules() cut.Rules {
	return cut.Rules{Comma: c.delimiter(), Header: !c.NoHeader, Blank: cut.Empty}
}
