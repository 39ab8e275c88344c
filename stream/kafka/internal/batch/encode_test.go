package batch

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/snappy/xerial"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"github.com/onceflow/onceflow/stream/record"
)

// sample says what a batch to encode holds.
type sample struct {
	first   int64
	deltas  []int64 // of the offsets; the last one is the batch's last
	records []record.Record
	attr    int16
	xerial  bool
}

func (s sample) encode(t testing.TB) []byte {
	t.Helper()
	var body []byte
	for i, r := range s.records {
		rec := []byte{0}
		rec = binary.AppendVarint(rec, r.Time.UnixMilli()-base)
		rec = binary.AppendVarint(rec, s.deltas[i])
		rec = appendBytes(rec, r.Key)
		rec = appendBytes(rec, r.Value)
		rec = binary.AppendVarint(rec, int64(len(r.Headers)))
		for _, h := range r.Headers {
			rec = appendBytes(rec, []byte(h.Key))
			rec = appendBytes(rec, h.Value)
		}
		body = binary.AppendVarint(body, int64(len(rec)))
		body = append(body, rec...)
	}
	body = compress(t, int(s.attr&attrCodec), s.xerial, body)
	last := int64(0)
	if len(s.deltas) > 0 {
		last = s.deltas[len(s.deltas)-1]
	}
	return seal(s.first, last, s.attr, len(s.records), body)
}

const base = 1_700_000_000_000

// seal puts a header with a right checksum before body.
func seal(first, last int64, attr int16, n int, body []byte) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(first))
	b = binary.BigEndian.AppendUint32(b, uint32(HeaderSize-12+len(body)))
	b = binary.BigEndian.AppendUint32(b, 7) // leader epoch
	b = append(b, 2, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(attr))
	b = binary.BigEndian.AppendUint32(b, uint32(last))
	b = binary.BigEndian.AppendUint64(b, base)
	b = binary.BigEndian.AppendUint64(b, base+5000)
	b = binary.BigEndian.AppendUint64(b, 42) // producer
	b = append(b, 0, 0, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(n))
	b = append(b, body...)
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], castagnoli))
	return b
}

func appendBytes(b, v []byte) []byte {
	if v == nil {
		return binary.AppendVarint(b, -1)
	}
	return append(binary.AppendVarint(b, int64(len(v))), v...)
}

func compress(t testing.TB, codec int, framed bool, body []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	var err error
	switch codec {
	case Gzip:
		w := gzip.NewWriter(&out)
		_, err = w.Write(body)
		err = firstError(err, w.Close())
	case Snappy:
		if framed {
			return xerial.Encode(nil, body)
		}
		return s2.EncodeSnappy(nil, body)
	case LZ4:
		w := lz4.NewWriter(&out)
		_, err = w.Write(body)
		err = firstError(err, w.Close())
	case Zstd:
		w, e := zstd.NewWriter(&out) // as a stream, like Java: without the size of the content
		if e != nil {
			t.Fatal(e)
		}
		_, err = w.Write(body)
		err = firstError(err, w.Close())
	default:
		return body
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}
