// Package kpl packs user records into Kinesis records as the Kinesis Producer Library does, for tests and the torture
// program. It shares no code with what reads them.
package kpl

import (
	"crypto/md5"
	"encoding/binary"
	"slices"
)

// Record is a user record.
type Record struct {
	Key  string
	Hash string // explicit hash key, decimal; empty is none
	Data []byte
}

// Pack returns an aggregate of the records.
func Pack(records ...Record) []byte {
	var keys, hashes []string
	var body []byte
	for _, r := range records {
		m := binary.AppendUvarint([]byte{1 << 3}, index(&keys, r.Key))
		if r.Hash != "" {
			m = binary.AppendUvarint(append(m, 2<<3), index(&hashes, r.Hash))
		}
		body = appendBytes(body, 3, appendBytes(m, 3, r.Data))
	}
	var message []byte
	for _, k := range keys {
		message = appendBytes(message, 1, []byte(k))
	}
	for _, h := range hashes {
		message = appendBytes(message, 2, []byte(h))
	}
	return Seal(append(message, body...))
}

// Seal puts magic and MD5 around a message, which may be nonsense.
func Seal(message []byte) []byte {
	sum := md5.Sum(message)
	return slices.Concat([]byte("\xF3\x89\x9A\xC2"), message, sum[:])
}

func index(table *[]string, s string) uint64 {
	i := slices.Index(*table, s)
	if i < 0 {
		i = len(*table)
		*table = append(*table, s)
	}
	return uint64(i)
}

func appendBytes(to []byte, field byte, b []byte) []byte {
	to = binary.AppendUvarint(append(to, field<<3|2), uint64(len(b)))
	return append(to, b...)
}
