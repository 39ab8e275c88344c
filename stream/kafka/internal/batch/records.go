package batch

import (
	"fmt"
	"slices"
	"time"

	"github.com/onceflow/onceflow/stream/record"
)

// Set gathers records. Reset keeps its memory for the next ones.
type Set struct {
	Records []record.Record
	headers []record.Header
}

// Reset forgets the records and all references to their bytes.
func (s *Set) Reset() {
	clear(s.Records)
	clear(s.headers)
	s.Records, s.headers = s.Records[:0], s.headers[:0]
}

// minRecord is the size of the smallest record: one byte each for length, attributes, two deltas, key, value and headers.
// It bounds the memory that a wrong count can take.
const minRecord = 7

// maxKeys bounds the table of header keys.
const maxKeys = 1024

// Append adds the records of h at or after offset from. plain is the result of Plain. Records are slices of plain. On
// an error the set is as before.
func (d *Decoder) Append(s *Set, h *Header, plain []byte, p *record.Partition, from int64) error {
	if h.N > len(plain)/minRecord {
		return fmt.Errorf("%w: %d records in %d bytes", ErrCorrupt, h.N, len(plain))
	}
	start, headers := len(s.Records), len(s.headers)
	s.Records = slices.Grow(s.Records, h.N)
	c := cursor{b: plain}
	last := h.First - 1
	for i := range h.N {
		body := cursor{b: c.bytes()}
		offset := d.record(s, h, &body, p, from)
		if body.bad || len(body.b) > 0 || offset <= last || offset > h.Last {
			s.undo(start, headers)
			return fmt.Errorf("%w: record %d of %d, offset %d", ErrCorrupt, i, h.N, offset)
		}
		last = offset
	}
	if len(c.b) > 0 {
		s.undo(start, headers)
		return fmt.Errorf("%w: %d bytes after the last record", ErrCorrupt, len(c.b))
	}
	return nil
}

// record adds one record, unless it is before from, and returns its offset. c.bad or c.b shows an unsound record.
func (d *Decoder) record(s *Set, h *Header, c *cursor, p *record.Partition, from int64) int64 {
	c.skip(1) // attributes: none are defined
	at := h.BaseTime + c.int()
	offset := h.First + c.int()
	key, value := c.bytes(), c.bytes()
	n := c.int()
	if n < 0 || n > int64(len(c.b)/2) {
		c.bad = c.bad || n != 0
		n = 0
	}
	begin := len(s.headers)
	for range n {
		k := d.key(c.bytes())
		s.headers = append(s.headers, record.Header{Key: k, Value: c.bytes()})
	}
	if c.bad || offset < from {
		s.headers = s.headers[:begin]
		return offset
	}
	if h.attr&attrLogAppend != 0 {
		at = h.MaxTime
	}
	r := record.Record{Partition: p, Position: record.Position{Sub: offset + 1}, Key: key, Value: value}
	if n > 0 {
		r.Headers = s.headers[begin:len(s.headers):len(s.headers)]
	}
	if at >= 0 {
		r.Time = time.UnixMilli(at).UTC()
	}
	s.Records = append(s.Records, r)
	return offset
}

func (s *Set) undo(records, headers int) {
	clear(s.Records[records:])
	s.Records, s.headers = s.Records[:records], s.headers[:headers]
}

// key makes a header's key a string. Producers use few keys, so nearly all are found in a table.
func (d *Decoder) key(b []byte) string {
	if k, ok := d.keys[string(b)]; ok {
		return k
	}
	k := string(b)
	if len(d.keys) < maxKeys {
		d.keys[k] = k
	}
	return k
}
