package avro

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"
	"github.com/twmb/avro/ocf"

	"github.com/onceflow/onceflow/sink/format"
)

// blockBytes of rows make a block of a joined file.
const blockBytes = 256 << 10

// join makes container files of the rows and blocks of any of our formats. It is safe for concurrent use.
type join struct {
	codecs map[Codec]*sync.Pool // of ocf.Codec, which serve one goroutine
}

func newJoin() *join {
	j := &join{codecs: map[Codec]*sync.Pool{}}
	for _, c := range []Codec{Null, Deflate, Snappy, Zstandard} {
		j.codecs[c] = new(sync.Pool)
	}
	return j
}

func newCodec(c Codec) (ocf.Codec, error) {
	switch c {
	case Null: // which does nothing
	case Deflate:
		return ocf.DeflateCodec(flate.DefaultCompression), nil
	case Snappy:
		return ocf.SnappyCodec(), nil
	case Zstandard:
		return ocf.ZstdCodec([]zstd.EOption{zstd.WithEncoderConcurrency(1)}, []zstd.DOption{zstd.WithDecoderConcurrency(1)})
	}
	return nil, fmt.Errorf("avro: no codec %q", c)
}

// check tells whether there is a codec.
func (j *join) check(c Codec) error {
	_, err := j.compress(c, nil)
	return err
}

// compress compresses the rows of a block.
func (j *join) compress(c Codec, rows []byte) ([]byte, error) {
	if c == Null {
		return rows, nil
	}
	pool := j.codecs[c]
	if pool == nil {
		return nil, fmt.Errorf("avro: no codec %q", c)
	}
	worker, ok := pool.Get().(ocf.Codec)
	if !ok {
		var err error
		if worker, err = newCodec(c); err != nil {
			return nil, err
		}
	}
	defer pool.Put(worker)
	out, err := worker.Compress(rows)
	if err != nil {
		return nil, fmt.Errorf("avro: %w", err)
	}
	return out, nil
}

// appendBlock appends a block without the marker behind it.
func appendBlock(dst, compressed []byte, n int64) []byte {
	dst = binary.AppendVarint(dst, n)
	dst = binary.AppendVarint(dst, int64(len(compressed)))
	return append(dst, compressed...)
}

// Name is "avro".
func (j *join) Name() string { return "avro" }

// BlockBytes is 0: blocks may be short.
func (j *join) BlockBytes() int { return 0 }

// Alike tells whether two headers have the same schema and codec. Their markers may differ.
func (j *join) Alike(a, b []byte) bool {
	return len(a) == len(b) && len(a) > markerBytes && bytes.Equal(a[:len(a)-markerBytes], b[:len(b)-markerBytes])
}

const markerBytes = 16

// Begin writes the header.
func (j *join) Begin(w io.Writer, header []byte, _ int64) (format.File, error) {
	codec, err := codecOf(header)
	if err != nil {
		return nil, err
	}
	if err := j.check(codec); err != nil {
		return nil, err
	}
	f := &file{w: w, join: j, codec: codec, marker: [markerBytes]byte(header[len(header)-markerBytes:])}
	_, err = w.Write(header)
	return f, err
}

var errHeader = errors.New("avro: this is no header of a container file")

// codecOf reads a header.
func codecOf(header []byte) (codec Codec, err error) {
	in, ok := bytes.CutPrefix(header, []byte("Obj\x01"))
	if !ok {
		return "", errHeader
	}
	w := walk{in: in}
	for !w.broken {
		n := w.read()
		if n < 0 {
			n = -n
			w.read()
		}
		if n == 0 {
			break
		}
		for ; n > 0 && !w.broken; n-- {
			key, value := w.take(), w.take()
			if string(key) == "avro.codec" {
				codec = Codec(value)
			}
		}
	}
	if w.broken || len(w.in) != markerBytes {
		return "", errHeader
	}
	if codec == "" {
		codec = Null
	}
	return codec, nil
}

// file is a container file under way.
type file struct {
	w      io.Writer
	join   *join
	codec  Codec
	marker [markerBytes]byte

	rows []byte // of the next block
	n    int64
	tmp  []byte
}

// Rows gathers rows for a block.
func (f *file) Rows(rows []byte, n int64) error {
	f.rows, f.n = append(f.rows, rows...), f.n+n
	if len(f.rows) < blockBytes {
		return nil
	}
	return f.end()
}

// end writes the block under way.
func (f *file) end() error {
	if f.n == 0 {
		return nil
	}
	compressed, err := f.join.compress(f.codec, f.rows)
	if err != nil {
		return err
	}
	f.tmp = append(appendBlock(f.tmp[:0], compressed, f.n), f.marker[:]...)
	f.rows, f.n = f.rows[:0], 0
	_, err = f.w.Write(f.tmp)
	return err
}

// Block copies a block. The marker behind it may be another format's.
func (f *file) Block(block []byte, _ int64) error {
	if len(block) < markerBytes {
		return errors.New("avro: this is no block of a container file")
	}
	if err := f.end(); err != nil {
		return err
	}
	f.tmp = append(append(f.tmp[:0], block[:len(block)-markerBytes]...), f.marker[:]...)
	_, err := f.w.Write(f.tmp)
	return err
}

// Waiting is the length of the rows that are in no block yet.
func (f *file) Waiting() int64 { return int64(len(f.rows)) }

// Close writes the last block.
func (f *file) Close() error { return f.end() }
