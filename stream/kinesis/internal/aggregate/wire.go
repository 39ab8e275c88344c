package aggregate

import "encoding/binary"

// kind is protobuf's wire type (https://protobuf.dev/programming-guides/encoding/).
type kind uint8

const (
	kindVarint kind = 0
	kind64     kind = 1
	kindBytes  kind = 2
	kind32     kind = 5
)

// field is one field of a message.
type field struct {
	number uint64
	kind   kind
	value  uint64 // of a varint
	bytes  []byte // of kindBytes, never nil; it lies in the message, without room to append
}

// cursor reads a message. Once bad, it stays bad and is empty, so that a loop over it ends.
type cursor struct {
	b   []byte
	bad bool
}

// field reads the next field. Groups, which no version of the format has, are bad.
func (c *cursor) field() field {
	tag := c.varint()
	f := field{number: tag >> 3, kind: kind(tag & 7)}
	if f.number == 0 || f.number >= 1<<29 {
		c.fail()
	}
	switch f.kind {
	case kindVarint:
		f.value = c.varint()
	case kindBytes:
		f.bytes = c.take(c.varint())
	case kind64:
		c.take(8)
	case kind32:
		c.take(4)
	default:
		c.fail()
	}
	return f
}

func (c *cursor) varint() uint64 {
	if len(c.b) > 0 && c.b[0] < 0x80 { // nearly all are
		v := c.b[0]
		c.b = c.b[1:]
		return uint64(v)
	}
	v, n := binary.Uvarint(c.b)
	if n <= 0 {
		c.fail()
		return 0
	}
	c.b = c.b[n:]
	return v
}

func (c *cursor) take(n uint64) []byte {
	if c.bad || n > uint64(len(c.b)) {
		c.fail()
		return nil
	}
	b := c.b[:n:n]
	c.b = c.b[n:]
	return b
}

func (c *cursor) fail() { c.b, c.bad = nil, true }
