package rows

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// maxFooter is how much of the end of a Parquet file is kept. What tells of its row groups is there.
const maxFooter = 64 << 20

// parquetRows is how many rows a Parquet file says it has.
func parquetRows(r io.Reader) (int64, error) {
	var magic [4]byte
	if _, err := io.ReadFull(r, magic[:]); err != nil {
		return 0, noEOF(err)
	}
	end := &lastBytes{most: maxFooter}
	if _, err := io.Copy(end, r); err != nil {
		return 0, err
	}
	b := end.b
	n := len(b) - 8
	if string(magic[:]) != "PAR1" || n < 0 || string(b[n+4:]) != "PAR1" {
		return 0, errors.New("it does not begin and end as a Parquet file")
	}
	length := int64(binary.LittleEndian.Uint32(b[n:]))
	if length > int64(n) {
		return 0, fmt.Errorf("a footer of %d bytes", length)
	}
	return metadataRows(b[int64(n)-length : n])
}

// lastBytes keeps the end of what is written to it.
type lastBytes struct {
	b    []byte
	most int
}

func (l *lastBytes) Write(p []byte) (int, error) {
	l.b = append(l.b, p...)
	if over := len(l.b) - l.most; over > l.most {
		l.b = append(l.b[:0], l.b[over:]...)
	}
	return len(p), nil
}

// metadataRows finds the number of rows of a file, and of its row groups, in its metadata, and compares them. The metadata is a
// struct in Thrift's compact protocol.
func metadataRows(b []byte) (rows int64, err error) {
	t := &thrift{in: b}
	groups := int64(0)
	t.fields(func(id int, kind byte) {
		switch {
		case id == 3 && kind == thriftI64:
			rows = t.zigzag()
		case id == 4 && kind == thriftList:
			t.list(func(kind byte) {
				if kind != thriftStruct {
					t.fail("row groups are no structs")
					return
				}
				t.fields(func(id int, kind byte) {
					if id == 3 && kind == thriftI64 {
						groups += t.zigzag()
					} else {
						t.skip(kind)
					}
				})
			})
		default:
			t.skip(kind)
		}
	})
	if t.err == nil && len(t.in) > 0 {
		t.fail("bytes follow the metadata")
	}
	if t.err == nil && groups != rows {
		t.fail(fmt.Sprintf("its row groups have %d rows, and it says %d", groups, rows))
	}
	return rows, t.err
}

// Kinds of values in Thrift's compact protocol.
const (
	thriftTrue   = 1
	thriftFalse  = 2
	thriftByte   = 3
	thriftI16    = 4
	thriftI32    = 5
	thriftI64    = 6
	thriftDouble = 7
	thriftBytes  = 8
	thriftList   = 9
	thriftSet    = 10
	thriftMap    = 11
	thriftStruct = 12
)

// thrift reads values one after the other. The first fault ends it.
type thrift struct {
	in    []byte
	depth int
	err   error
}

func (t *thrift) fail(text string) {
	if t.err == nil {
		t.err = errors.New("its metadata: " + text)
	}
	t.in = nil
}

func (t *thrift) number() uint64 {
	v, n := binary.Uvarint(t.in)
	if n <= 0 {
		t.fail("a number does not end")
		return 0
	}
	t.in = t.in[n:]
	return v
}

func (t *thrift) zigzag() int64 {
	v := t.number()
	return int64(v>>1) ^ -int64(v&1)
}

func (t *thrift) take(n uint64) []byte {
	if n > uint64(len(t.in)) {
		t.fail("it ends too early")
		return nil
	}
	b := t.in[:n]
	t.in = t.in[n:]
	return b
}

// fields calls each with the fields of a struct, whose values it must read.
func (t *thrift) fields(each func(id int, kind byte)) {
	if t.depth++; t.depth > 32 {
		t.fail("it is nested too deeply")
	}
	for id := 0; t.err == nil; {
		head := t.take(1)
		if head == nil || head[0] == 0 {
			break
		}
		if delta := int(head[0] >> 4); delta > 0 {
			id += delta
		} else {
			id = int(t.zigzag())
		}
		each(id, head[0]&15)
	}
	t.depth--
}

// list calls each for the elements of a list.
func (t *thrift) list(each func(kind byte)) {
	head := t.take(1)
	if head == nil {
		return
	}
	n := uint64(head[0] >> 4)
	if n == 15 {
		n = t.number()
	}
	for ; n > 0 && t.err == nil; n-- {
		each(head[0] & 15)
	}
}

func (t *thrift) skip(kind byte) {
	switch kind {
	case thriftTrue, thriftFalse:
	case thriftByte:
		t.take(1)
	case thriftI16, thriftI32, thriftI64:
		t.number()
	case thriftDouble:
		t.take(8)
	case thriftBytes:
		t.take(t.number())
	case thriftList, thriftSet:
		t.list(func(kind byte) {
			if kind == thriftTrue || kind == thriftFalse { // which have a byte in a list
				t.take(1)
			} else {
				t.skip(kind)
			}
		})
	case thriftStruct:
		t.fields(func(_ int, kind byte) { t.skip(kind) })
	case thriftMap: // none in a Parquet file
		t.fail("it has a map")
	default:
		t.fail(fmt.Sprintf("a value of kind %d", kind))
	}
}
