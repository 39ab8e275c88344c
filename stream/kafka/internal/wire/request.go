package wire

import (
	"encoding/binary"
	"time"
)

const (
	keyFetch       = 1
	keyAPIVersions = 18
)

// Request is one Fetch.
type Request struct {
	MaxWait   time.Duration // how long the broker may wait for MinBytes
	MinBytes  int32
	MaxBytes  int32 // of the response, but for one batch
	Committed bool  // read_committed
	Rack      string
	Topics    []Topic
}

// Topic is the part of a request for one topic.
type Topic struct {
	Name  string
	ID    [16]byte
	Parts []PartRequest
}

// PartRequest is the part of a request for one partition.
type PartRequest struct {
	ID        int32
	Epoch     int32 // of the leader as we know it; -1 if we do not
	Offset    int64
	LastEpoch int32 // of the batch before Offset, by which a truncated log is detected; -1 if unknown
	MaxBytes  int32
}

// append encodes q in version v, with its size in front.
func (q *Request) append(b []byte, v int16, correlation int32, client string) []byte {
	start := len(b)
	b = append(b, 0, 0, 0, 0)
	b = header(b, keyFetch, v, correlation, client)
	b = append(b, 0)                                 // tags of the header
	b = binary.BigEndian.AppendUint32(b, 0xffffffff) // replica: none
	b = binary.BigEndian.AppendUint32(b, uint32(q.MaxWait.Milliseconds()))
	b = binary.BigEndian.AppendUint32(b, uint32(q.MinBytes))
	b = binary.BigEndian.AppendUint32(b, uint32(q.MaxBytes))
	isolation := byte(0)
	if q.Committed {
		isolation = 1
	}
	b = append(b, isolation)
	b = binary.BigEndian.AppendUint32(b, 0)          // session ID
	b = binary.BigEndian.AppendUint32(b, 0xffffffff) // session epoch: no session
	b = binary.AppendUvarint(b, uint64(len(q.Topics)+1))
	for i := range q.Topics {
		b = q.Topics[i].append(b, v)
	}
	b = append(b, 1) // no forgotten topics
	b = compact(b, q.Rack)
	b = append(b, 0)
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-4))
	return b
}

func (t *Topic) append(b []byte, v int16) []byte {
	if v >= 13 {
		b = append(b, t.ID[:]...)
	} else {
		b = compact(b, t.Name)
	}
	b = binary.AppendUvarint(b, uint64(len(t.Parts)+1))
	for _, p := range t.Parts {
		b = binary.BigEndian.AppendUint32(b, uint32(p.ID))
		b = binary.BigEndian.AppendUint32(b, uint32(p.Epoch))
		b = binary.BigEndian.AppendUint64(b, uint64(p.Offset))
		b = binary.BigEndian.AppendUint32(b, uint32(p.LastEpoch))
		b = binary.BigEndian.AppendUint64(b, ^uint64(0)) // log start: of followers only
		b = binary.BigEndian.AppendUint32(b, uint32(p.MaxBytes))
		b = append(b, 0)
	}
	return append(b, 0)
}

// header encodes a request header up to the client ID.
func header(b []byte, key, version int16, correlation int32, client string) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(key))
	b = binary.BigEndian.AppendUint16(b, uint16(version))
	b = binary.BigEndian.AppendUint32(b, uint32(correlation))
	b = binary.BigEndian.AppendUint16(b, uint16(len(client)))
	return append(b, client...)
}

// compact encodes a compact string.
func compact(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)+1))
	return append(b, s...)
}
