package codec

import (
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

const (
	// None stores rows as they are.
	None = builtin("")

	// Gzip compresses to gzip (RFC 1952) at level 1, as members of 256 KiB of rows. All readers that docs/reading.md lists
	// read several members as one file. Functions for one stream, such as Python's zlib.decompressobj, stop after the first.
	// Zstd is as fast and denser, where readers have it.
	Gzip = builtin(".gz")

	// Zstd compresses to Zstandard (RFC 8878), in frames of 4 MiB of rows or more, each with a checksum. Readers need a window
	// of 1 MiB. Some do not read text in .zst: datasets of pyarrow, Spark 3.5, Node 20. It is the encoder's fastest speed: on JSON
	// rows the next one was slower and no denser.
	Zstd = builtin(".zst")

	// LZ4 compresses to the LZ4 frame format (lz4_Frame_format.md), with blocks of 256 KiB and a checksum of each frame. The
	// tools lz4 and zstd, ClickHouse and datasets of pyarrow read several frames as one file. DuckDB, Polars and pandas do not
	// read it. It is not the LZ4 of Hadoop's codec: Spark runs out of memory on it.
	LZ4 = builtin(".lz4")

	// S2 compresses to S2, the extension of the Snappy framing format that the s2d tool and the Go package
	// github.com/klauspost/compress/s2 read: denser and faster than Snappy, unknown elsewhere.
	S2 = builtin(".s2")

	// Snappy compresses to the Snappy framing format (framing_format.txt), for programs that read it with snzip or the framed
	// reader of a Snappy package. It is not the block format of Hadoop, nor a raw Snappy block. None of the readers in
	// docs/reading.md reads its files.
	Snappy = builtin(".sz")
)

// GzipLevel is Gzip at a level from 1, fast, to 9, dense; a level beyond is taken for the nearest.
func GzipLevel(level int) Codec { return leveled{Gzip, min(max(level, 1), 9)} }

// ZstdLevel is Zstd at a level of the reference encoder, 1 to 22. The encoder here has four speeds, about levels 1, 3, 7
// and 11; level chooses the nearest.
func ZstdLevel(level int) Codec { return leveled{Zstd, level} }

// LZ4Level is LZ4 at a level from 0, fast, to 9, dense; a level beyond is taken for the nearest. All are read as fast.
func LZ4Level(level int) Codec { return leveled{LZ4, min(max(level, 0), 9)} }

// builtin is a codec at its default level: the extension of its files.
type builtin string

// leveled is a codec at another level.
type leveled struct {
	builtin
	level int
}

// Ext is the extension of the codec's files.
func (c builtin) Ext() string { return string(c) }

// FrameBytes is small for gzip. Its window is 32 KiB, so short members cost little, and a new encoder is cheaper. A new
// frame of zstd forgets the window, which at 256 KiB costs a third more time and at 4 MiB next to nothing. The others have
// independent blocks, and a frame costs them some 15 bytes. For None it is how much a worker gathers before it writes.
func (c builtin) FrameBytes() int {
	if c == Gzip || c == None {
		return 256 << 10
	}
	return 4 << 20
}

// New makes a compressor.
func (c builtin) New() Compressor {
	if c == LZ4 {
		return c.compressor(0)
	}
	return c.compressor(1)
}

// New makes a compressor.
func (c leveled) New() Compressor { return c.compressor(c.level) }

// compressor has no goroutines and no second set of buffers, since workers are parallel already.
func (c builtin) compressor(level int) (w Compressor) {
	var err error
	switch c {
	case Gzip:
		w, err = gzip.NewWriterLevel(io.Discard, level)
	case Zstd:
		w, err = zstd.NewWriter(io.Discard, zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(level)),
			zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20), zstd.WithZeroFrames(true))
	case LZ4:
		z, speed := lz4.NewWriter(io.Discard), lz4.Fast
		if level > 0 {
			speed = 1 << (8 + level) // lz4.Level1 is 1 << 9
		}
		w, err = z, z.Apply(lz4.ConcurrencyOption(1), lz4.BlockSizeOption(lz4.Block256Kb), lz4.CompressionLevelOption(speed))
	case S2:
		w = s2.NewWriter(io.Discard, s2.WriterConcurrency(1))
	case Snappy:
		w = s2.NewWriter(io.Discard, s2.WriterConcurrency(1), s2.WriterSnappyCompat())
	default:
		w = &plain{io.Discard}
	}
	if err != nil {
		panic(err) // only for options out of range
	}
	return w
}

// plain is None's compressor.
type plain struct{ w io.Writer }

func (p *plain) Reset(w io.Writer)           { p.w = w }
func (p *plain) Write(b []byte) (int, error) { return p.w.Write(b) }
func (p *plain) Close() error                { return nil }
