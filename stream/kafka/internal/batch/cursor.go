package batch

import "encoding/binary"

// cursor reads a record. A read beyond the end sets bad; from then on all reads return zero.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) fail() { c.b, c.bad = nil, true }

// int reads a zigzag varint. Most are one or two bytes long.
func (c *cursor) int() int64 {
	b := c.b
	if len(b) > 0 && b[0] < 0x80 {
		c.b = b[1:]
		return int64(b[0]>>1) ^ -int64(b[0]&1)
	}
	if len(b) > 1 && b[1] < 0x80 {
		u := uint32(b[0]&0x7f) | uint32(b[1])<<7
		c.b = b[2:]
		return int64(u>>1) ^ -int64(u&1)
	}
	v, n := binary.Varint(b)
	if n <= 0 {
		c.fail()
		return 0
	}
	c.b = b[n:]
	return v
}

func (c *cursor) skip(n int) {
	if n > len(c.b) {
		c.fail()
		return
	}
	c.b = c.b[n:]
}

// bytes reads a length and that many bytes; nil if the length is negative.
func (c *cursor) bytes() []byte {
	n := c.int()
	if n < 0 {
		return nil
	}
	if n > int64(len(c.b)) {
		c.fail()
		return nil
	}
	v := c.b[:n:n]
	c.b = c.b[n:]
	return v
}
