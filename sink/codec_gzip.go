package sink

import (
	"io"

	"github.com/klauspost/compress/gzip"
)

// Gzip compresses to gzip (RFC 1952) at level 1, as members of 256 KiB of rows: everything that reads gzip reads several
// members as one file. Zstd is as fast and denser, where readers have it.
const Gzip = gzipCodec(1)

// GzipLevel is Gzip at a level from 1, fast, to 9, dense; a level beyond is taken for the nearest.
func GzipLevel(level int) Codec { return gzipCodec(min(max(level, 1), 9)) }

type gzipCodec int

func (gzipCodec) Ext() string { return ".gz" }

// FrameBytes: a gzip window is 32 KiB, so short members cost little, and the encoder is cheaper begun anew.
func (gzipCodec) FrameBytes() int { return 256 << 10 }

func (c gzipCodec) New() Compressor {
	w, err := gzip.NewWriterLevel(io.Discard, int(c))
	if err != nil {
		panic(err) // only for a level out of range
	}
	return w
}
