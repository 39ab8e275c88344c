package audit

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/onceflow/onceflow/sink/codec"
)

// maxBatchObject bounds the object of a batch that is read, and what it decompresses to.
const maxBatchObject = 256 << 20

// batchHead begins the object of a batch, before compression. The number of lines follows.
const batchHead = "onceflow batch 1\n"

// ErrDamaged means that the object of a batch is not what its producer wrote.
var ErrDamaged = errors.New("audit: the object of a batch is damaged")

// appendEvent appends an event as it is in the object of a batch: the length of the key, 1 more if there is a key and 0 if
// there is none, the key, the time in microseconds since 1970, 0 if there is none, the length of the value, the value.
func appendEvent(dst []byte, e *Event) []byte {
	if e.Key == nil {
		dst = append(dst, 0)
	} else {
		dst = append(binary.AppendUvarint(dst, uint64(len(e.Key))+1), e.Key...)
	}
	at := int64(0)
	if !e.Time.IsZero() {
		at = cmp.Or(e.Time.UnixMicro(), 1) // 1970 itself is a time, too
	}
	dst = binary.AppendVarint(dst, at)
	return append(binary.AppendUvarint(dst, uint64(len(e.Value))), e.Value...)
}

// parseLines reads n events that fill body, and numbers them. What it returns shares body.
func parseLines(id ID, body []byte, n int) ([]Line, error) {
	lines := make([]Line, 0, n)
	for i := range n {
		l := Line{Mark: Mark{ID: id, Line: i + 1}}
		k, size := binary.Uvarint(body)
		if size <= 0 || k > uint64(len(body)-size)+1 {
			return nil, ErrDamaged
		}
		body = body[size:]
		if k > 0 {
			l.Event.Key, body = body[:k-1:k-1], body[k-1:]
		}
		at, size := binary.Varint(body)
		if size <= 0 {
			return nil, ErrDamaged
		}
		if at != 0 {
			l.Event.Time = time.UnixMicro(at).UTC()
		}
		body = body[size:]
		v, size := binary.Uvarint(body)
		if size <= 0 || v > uint64(len(body)-size) {
			return nil, ErrDamaged
		}
		l.Event.Value, body = body[size:size+int(v):size+int(v)], body[size+int(v):]
		lines = append(lines, l)
	}
	if len(body) > 0 {
		return nil, ErrDamaged
	}
	return lines, nil
}

// compressors are for objects of batches.
var compressors = sync.Pool{New: func() any { return codec.Zstd.New() }}

// packBatch makes the object of a batch, with n events in body, as one frame of zstd with a checksum.
func packBatch(body []byte, n int) ([]byte, error) {
	var out bytes.Buffer
	out.Grow(len(body)/4 + 256)
	c := compressors.Get().(codec.Compressor)
	defer compressors.Put(c)
	c.Reset(&out)
	head := binary.AppendUvarint([]byte(batchHead), uint64(n))
	for _, p := range [][]byte{head, body} {
		if _, err := c.Write(p); err != nil {
			return nil, fmt.Errorf("audit: compress a batch: %w", err)
		}
	}
	err := c.Close()
	c.Reset(io.Discard) // or the pool would keep out
	if err != nil {
		return nil, fmt.Errorf("audit: compress a batch: %w", err)
	}
	return out.Bytes(), nil
}

// unpackBatch reads the object of a batch.
func unpackBatch(id ID, object []byte) ([]Line, error) {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxBatchObject))
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	defer z.Close()
	body, err := z.DecodeAll(object, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	body, ok := bytes.CutPrefix(body, []byte(batchHead))
	n, size := binary.Uvarint(body)
	if !ok || size <= 0 || n == 0 || n > MaxLines {
		return nil, ErrDamaged
	}
	return parseLines(id, body[size:], int(n))
}
