package batch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

var (
	// ErrPartial means that the data ends within a batch, as a broker cuts it at the limit of a request.
	ErrPartial = errors.New("batch is cut short")

	// ErrCorrupt means that the bytes of a batch are not what its producer wrote.
	ErrCorrupt = errors.New("batch is corrupt")

	// ErrTooLarge means that a batch decompresses to more than is allowed.
	ErrTooLarge = errors.New("batch decompresses to more than the limit")

	// ErrUnsupported means a message format or a codec that is not known here.
	ErrUnsupported = errors.New("batch is of an unknown format")
)

// HeaderSize is the size of what precedes the records.
const HeaderSize = 61

const (
	attrCodec     = 0x07
	attrLogAppend = 0x08
	attrTxn       = 0x10
	attrControl   = 0x20
)

// Header is the head of a batch. Its slices are parts of the data it was read from.
type Header struct {
	First, Last   int64 // offsets; there may be fewer records than offsets
	Epoch         int32 // of the leader that appended it
	Producer      int64 // producer ID, -1 without idempotence
	BaseTime      int64 // milliseconds since 1970
	MaxTime       int64
	N             int // records
	Size          int // of the whole batch
	attr          int16
	crc           uint32
	checked, body []byte
}

// Control reports whether the batch holds a transaction marker instead of records.
func (h *Header) Control() bool { return h.attr&attrControl != 0 }

// Transactional reports whether the batch was written in a transaction.
func (h *Header) Transactional() bool { return h.attr&attrTxn != 0 }

// Codec is the number of the compression codec.
func (h *Header) Codec() int { return int(h.attr & attrCodec) }

// Compressed reports whether decoding makes new bytes, as opposed to slicing the data the header was read from.
func (h *Header) Compressed() bool { return h.Codec() != 0 }

// Next reads the batch at the start of data and returns the bytes after it. After ErrPartial h.Size, if not zero, is the
// size of the whole batch. After other errors h has what could be read. None of it is proved then, not even where the next
// batch begins.
func Next(data []byte, h *Header) (rest []byte, err error) {
	*h = Header{}
	if len(data) < 17 {
		return nil, ErrPartial
	}
	h.First = int64(binary.BigEndian.Uint64(data))
	h.Epoch = int32(binary.BigEndian.Uint32(data[12:]))
	n := int64(int32(binary.BigEndian.Uint32(data[8:]))) + 12
	if data[16] != 2 {
		return nil, fmt.Errorf("%w: message format v%d", ErrUnsupported, data[16])
	}
	if n < HeaderSize || h.First < 0 {
		return nil, fmt.Errorf("%w: %d bytes at offset %d", ErrCorrupt, n, h.First)
	}
	h.Size = int(n)
	if n > int64(len(data)) {
		return nil, ErrPartial
	}
	h.crc = binary.BigEndian.Uint32(data[17:])
	h.checked = data[21:n]
	h.attr = int16(binary.BigEndian.Uint16(data[21:]))
	delta := int64(int32(binary.BigEndian.Uint32(data[23:])))
	h.Last = h.First + delta
	h.BaseTime = int64(binary.BigEndian.Uint64(data[27:]))
	h.MaxTime = int64(binary.BigEndian.Uint64(data[35:]))
	h.Producer = int64(binary.BigEndian.Uint64(data[43:]))
	h.N = int(int32(binary.BigEndian.Uint32(data[57:])))
	h.body = data[HeaderSize:n]
	if delta < 0 || h.N < 0 || int64(h.N) > delta+1 {
		return nil, fmt.Errorf("%w: %d records in offsets %d to %d", ErrCorrupt, h.N, h.First, h.Last)
	}
	return data[n:], nil
}

// Check compares the checksum.
func (h *Header) Check() error {
	if got := crc32.Checksum(h.checked, castagnoli); got != h.crc {
		return fmt.Errorf("%w: CRC-32C is %08x, it says %08x", ErrCorrupt, got, h.crc)
	}
	return nil
}

// Abort reports whether a control batch, which must have been checked, ends its producer's transaction as aborted.
func (h *Header) Abort() bool {
	c := cursor{b: h.body}
	c.int() // length
	c.skip(1)
	c.int() // timestamp
	c.int() // offset
	key := c.bytes()
	return !c.bad && len(key) >= 4 && binary.BigEndian.Uint16(key[2:]) == 0
}

// castagnoli is read-only.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)
