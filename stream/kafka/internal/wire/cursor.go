package wire

import "encoding/binary"

// cursor reads a response. A read beyond the end sets bad; from then on all reads return zero.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) take(n int) []byte {
	if n < 0 || n > len(c.b) {
		c.b, c.bad = nil, true
		return nil
	}
	v := c.b[:n:n]
	c.b = c.b[n:]
	return v
}

func (c *cursor) int16() int16 {
	if v := c.take(2); v != nil {
		return int16(binary.BigEndian.Uint16(v))
	}
	return 0
}

func (c *cursor) int32() int32 {
	if v := c.take(4); v != nil {
		return int32(binary.BigEndian.Uint32(v))
	}
	return 0
}

func (c *cursor) int64() int64 {
	if v := c.take(8); v != nil {
		return int64(binary.BigEndian.Uint64(v))
	}
	return 0
}

func (c *cursor) uvarint() uint64 {
	v, n := binary.Uvarint(c.b)
	if n <= 0 {
		c.b, c.bad = nil, true
		return 0
	}
	c.b = c.b[n:]
	return v
}

// length reads the length of a compact array or of compact bytes; null is 0. least is the size of the smallest element,
// so that a wrong length is noticed before it is used.
func (c *cursor) length(least int) int {
	n := c.uvarint()
	if n == 0 {
		return 0
	}
	if n-1 > uint64(len(c.b)/least) {
		c.b, c.bad = nil, true
		return 0
	}
	return int(n - 1)
}

// tags reads tagged fields and gives each to f, if f is not nil.
func (c *cursor) tags(f func(tag uint64, value []byte)) {
	for n := c.uvarint(); n > 0 && !c.bad; n-- {
		tag := c.uvarint()
		size := c.uvarint()
		if size > uint64(len(c.b)) {
			c.b, c.bad = nil, true
			return
		}
		if v := c.take(int(size)); f != nil {
			f(tag, v)
		}
	}
}
