package audit

import (
	"bytes"
	"encoding/binary"
)

// Header is the key of the record header that has a line's Mark, for sources whose records have headers.
const Header = "onceflow-audit"

// MaxLines bounds the lines of a batch.
const MaxLines = 1 << 20

// Mark says of a record which line of which batch it is.
type Mark struct {
	ID   ID
	Line int // from 1
}

// maxMarkLine bounds the numbers that a mark can have. A number above MaxLines is no line of a batch.
const maxMarkLine = 1<<31 - 1

// markPrefix begins a value that has its mark in front. Its first byte is in no text in UTF-8.
const markPrefix = "\xf8audit"

// Append appends the value of the header: the 16 bytes of the ID and the line as a varint (encoding/binary).
func (m Mark) Append(dst []byte) []byte {
	return binary.AppendUvarint(append(dst, m.ID[:]...), uint64(m.Line))
}

// ParseMark reads what Append has made.
func ParseMark(b []byte) (m Mark, ok bool) {
	if len(b) <= len(m.ID) {
		return Mark{}, false
	}
	n, size := binary.Uvarint(b[len(m.ID):])
	if size != len(b)-len(m.ID) || n == 0 || n > maxMarkLine {
		return Mark{}, false
	}
	copy(m.ID[:], b)
	m.Line = int(n)
	return m, m.ID.valid()
}

// AppendPrefix appends what goes in front of a value in sources whose records have no headers: a text that begins no text
// in UTF-8, the length of the mark in a byte, and the mark.
func (m Mark) AppendPrefix(dst []byte) []byte {
	dst = append(dst, markPrefix...)
	at := len(dst)
	dst = m.Append(append(dst, 0))
	dst[at] = byte(len(dst) - at - 1)
	return dst
}

// CutPrefix reads what AppendPrefix has put in front of a value, and returns the value.
func CutPrefix(b []byte) (m Mark, value []byte, ok bool) {
	rest, ok := bytes.CutPrefix(b, []byte(markPrefix))
	if !ok || len(rest) == 0 || len(rest) <= int(rest[0]) {
		return Mark{}, b, false
	}
	end := 1 + int(rest[0])
	if m, ok = ParseMark(rest[1:end]); !ok {
		return Mark{}, b, false
	}
	return m, rest[end:], true
}
