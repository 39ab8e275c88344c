package audit

import (
	"encoding/binary"
	"strconv"
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
const markPrefix = "\xf8audit "

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

// AppendPrefix appends what goes in front of a value in sources whose records have no headers: markPrefix, the ID as text,
// a dash, the number of the line in decimal digits, a space. It has no line break, so that files of lines can have it, too.
func (m Mark) AppendPrefix(dst []byte) []byte {
	dst = append(m.ID.append(append(dst, markPrefix...)), '-')
	return append(strconv.AppendUint(dst, uint64(m.Line), 10), ' ')
}

// CutPrefix reads what AppendPrefix has put in front of a value, and returns the value.
func CutPrefix(b []byte) (m Mark, value []byte, ok bool) {
	text, line, value := cutPrefix(b)
	if line == 0 {
		return Mark{}, b, false
	}
	id, ok := parseID(text[:])
	if !ok || !id.valid() {
		return Mark{}, b, false
	}
	return Mark{id, int(line)}, value, true
}

// cutPrefix is CutPrefix without a look at the ID. line is 0 if there is no mark.
func cutPrefix(b []byte) (id *[idText]byte, line uint32, value []byte) {
	const at = len(markPrefix) + idText
	if len(b) < at+3 || string(b[:len(markPrefix)]) != markPrefix || b[at] != '-' {
		return nil, 0, b
	}
	n := uint64(0)
	for i := at + 1; i < len(b); i++ {
		switch d := b[i] - '0'; {
		case d < 10:
			if n = n*10 + uint64(d); n == 0 || n > maxMarkLine {
				return nil, 0, b
			}
		case b[i] == ' ' && n > 0:
			return (*[idText]byte)(b[len(markPrefix):at]), uint32(n), b[i+1:]
		default:
			return nil, 0, b
		}
	}
	return nil, 0, b
}
