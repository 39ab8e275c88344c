// Package batchtest makes batches for tests that look at their heads only.
package batchtest

import (
	"encoding/binary"
	"hash/crc32"
)

// Attributes of a batch.
const (
	Transactional = 0x10
	Marker        = 0x30
)

// Empty is a batch of n records without their bytes.
func Empty(first, last int64, attr uint16, n uint32) []byte {
	const size = 61
	b := binary.BigEndian.AppendUint64(nil, uint64(first))
	b = binary.BigEndian.AppendUint32(b, size-12)
	b = append(b, 0, 0, 0, 1, 2, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, attr)
	b = binary.BigEndian.AppendUint32(b, uint32(last-first))
	b = append(b, make([]byte, 16)...)
	b = binary.BigEndian.AppendUint64(b, 42) // producer
	b = append(b, make([]byte, 6)...)
	b = binary.BigEndian.AppendUint32(b, n)
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}
