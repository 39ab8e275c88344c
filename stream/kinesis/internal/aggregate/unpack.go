package aggregate

import (
	"bytes"
	"crypto/md5" // the format says so; it guards against damage, not against people
	"errors"
	"fmt"
	"slices"
)

// ErrPlain says that a record is no aggregate: it does not begin like one, or does not end with the MD5 of what is in between.
var ErrPlain = errors.New("kinesis: not an aggregate")

// ErrCorrupt says that a producer made an aggregate, as its MD5 tells, which is not a valid one. Reading it again gives the
// same bytes.
var ErrCorrupt = errors.New("kinesis: corrupt aggregate")

const magic = "\xF3\x89\x9A\xC2"

const (
	// maxSize is the most that a Kinesis record can have.
	maxSize = 10 << 20

	// maxRecords is more than a producer can pack: it stops at 1 MiB, and the smallest user record takes 6 bytes. It bounds
	// the memory that a forged aggregate can take.
	maxRecords = 1 << 18
)

// Record is one user record. Its slices lie in the aggregate.
type Record struct {
	Key          []byte // partition key, never nil
	KeyIndex     int    // of Key in the aggregate's table, which most user records of one key share
	ExplicitHash []byte // decimal; nil if the producer set none
	Value        []byte // never nil
}

// Is reports whether data begins like an aggregate; all other records are plain ones.
func Is(data []byte) bool { return len(data) >= len(magic) && string(data[:len(magic)]) == magic }

// Unpacker reads aggregates and keeps its memory for the next one. It is not safe for concurrent use. The zero value is
// ready.
type Unpacker struct {
	records      []Record
	keys, hashes [][]byte
}

// Fields of the messages AggregatedRecord and Record.
const (
	fieldKeys    = 1
	fieldHashes  = 2
	fieldRecords = 3

	fieldKey   = 1
	fieldHash  = 2
	fieldValue = 3
)

// Unpack returns the user records of an aggregate in order; their indexes begin at 0, as Kinesis numbers them in
// sub-sequences. They are valid until the next call, and as long as data is. An aggregate without records is valid. An
// error matches ErrPlain or ErrCorrupt; then there are no records.
func (u *Unpacker) Unpack(data []byte) ([]Record, error) {
	u.Reset()
	message, err := check(data)
	if err != nil {
		return nil, err
	}
	// Tables may come after the records that use them, and the number of records is known at the end only.
	n, err := u.tables(message)
	if err != nil {
		return nil, err
	}
	u.records = slices.Grow(u.records, n)
	for c := (cursor{b: message}); len(c.b) > 0; {
		if f := c.field(); f.number == fieldRecords {
			r, err := u.record(f.bytes)
			if err != nil {
				return nil, fmt.Errorf("%w: user record %d of %d: %w", ErrCorrupt, len(u.records), n, err)
			}
			u.records = append(u.records, r)
		}
	}
	return u.records, nil
}

// Keys is how many partition keys the table of the last aggregate has.
func (u *Unpacker) Keys() int { return len(u.keys) }

// Reset forgets the records and all references to the aggregate.
func (u *Unpacker) Reset() {
	clear(u.records)
	clear(u.keys)
	clear(u.hashes)
	u.records, u.keys, u.hashes = u.records[:0], u.keys[:0], u.hashes[:0]
}

// check returns the message between magic and MD5.
func check(data []byte) ([]byte, error) {
	if !Is(data) || len(data) < len(magic)+md5.Size {
		return nil, ErrPlain
	}
	if len(data) > maxSize {
		return nil, fmt.Errorf("%w: %d bytes, a record has at most %d", ErrCorrupt, len(data), maxSize)
	}
	message, sum := data[len(magic):len(data)-md5.Size], data[len(data)-md5.Size:]
	if got := md5.Sum(message); !bytes.Equal(got[:], sum) {
		return nil, ErrPlain
	}
	return message, nil
}

// tables gathers the tables of keys, checks the outer framing, and counts records.
func (u *Unpacker) tables(message []byte) (n int, err error) {
	c := cursor{b: message}
	for len(c.b) > 0 {
		f := c.field()
		if c.bad || f.number <= fieldRecords && f.kind != kindBytes {
			return 0, fmt.Errorf("%w: bad field %d bytes before the end of the message", ErrCorrupt, len(c.b))
		}
		switch f.number {
		case fieldKeys:
			u.keys = append(u.keys, f.bytes)
		case fieldHashes:
			u.hashes = append(u.hashes, f.bytes)
		case fieldRecords:
			n++
		}
		if max(n, len(u.keys), len(u.hashes)) > maxRecords {
			return 0, fmt.Errorf("%w: more than %d user records or keys", ErrCorrupt, maxRecords)
		}
	}
	return n, nil
}

// record reads one user record. Tags, which the format reserves, are passed over.
func (u *Unpacker) record(b []byte) (r Record, err error) {
	for c := (cursor{b: b}); len(c.b) > 0; {
		f := c.field()
		kind := kindVarint
		if f.number == fieldValue {
			kind = kindBytes
		}
		if c.bad || f.number <= fieldValue && f.kind != kind {
			return Record{}, fmt.Errorf("bad field %d bytes before its end", len(c.b))
		}
		switch f.number {
		case fieldKey:
			r.Key, err = entry(u.keys, f.value, "partition key")
			r.KeyIndex = int(f.value)
		case fieldHash:
			r.ExplicitHash, err = entry(u.hashes, f.value, "explicit hash key")
		case fieldValue:
			r.Value = f.bytes
		}
		if err != nil {
			return Record{}, err
		}
	}
	if r.Key == nil || r.Value == nil {
		return Record{}, errors.New("it has no partition key or no data")
	}
	return r, nil
}

func entry(table [][]byte, i uint64, what string) ([]byte, error) {
	if i >= uint64(len(table)) {
		return nil, fmt.Errorf("%s %d of a table of %d", what, i, len(table))
	}
	return table[i], nil
}
