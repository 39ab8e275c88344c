package sink

import (
	"io"

	"github.com/pierrec/lz4/v4"
)

// LZ4 compresses to the LZ4 frame format (lz4_Frame_format.md, extension .lz4), with blocks of 256 KiB and a checksum of
// each frame: the lz4 tool reads it, several frames as one file. It is not the LZ4 of Hadoop's native codec.
const LZ4 = lz4Codec(0)

// LZ4Level is LZ4 at a level from 0, fast, to 9, dense; a level beyond is taken for the nearest. All are read as fast.
func LZ4Level(level int) Codec { return lz4Codec(min(max(level, 0), 9)) }

type lz4Codec int

func (lz4Codec) Ext() string { return ".lz4" }

// FrameBytes: a frame begins and ends with 15 bytes and blocks are independent.
func (lz4Codec) FrameBytes() int { return 4 << 20 }

func (c lz4Codec) New() Compressor {
	level := lz4.Fast
	if c > 0 {
		level = 1 << (8 + c) // lz4.Level1 is 1 << 9
	}
	w := lz4.NewWriter(io.Discard)
	err := w.Apply(lz4.ConcurrencyOption(1), lz4.BlockSizeOption(lz4.Block256Kb), lz4.CompressionLevelOption(level))
	if err != nil {
		panic(err) // only for options out of range
	}
	return w
}
