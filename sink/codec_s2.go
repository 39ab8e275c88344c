package sink

import (
	"io"

	"github.com/klauspost/compress/s2"
)

// Snappy compresses to the Snappy framing format (framing_format.txt, extension .sz), which snzip and the framed readers
// of most languages' Snappy packages read, several streams in a row as one. It is not the block format of Hadoop, nor a raw
// Snappy block: Spark and Hive do not read it as .snappy files.
const Snappy = s2Codec(true)

// S2 compresses to S2, the extension of the Snappy framing format that the s2d tool and the Go package
// github.com/klauspost/compress/s2 read: denser and faster than Snappy, unknown elsewhere.
const S2 = s2Codec(false)

type s2Codec bool // true is compatible with Snappy

func (c s2Codec) Ext() string {
	if c {
		return ".sz"
	}
	return ".s2"
}

// FrameBytes: blocks are independent, at most 64 KiB (Snappy) or 1 MiB, so a frame's end costs ten bytes.
func (s2Codec) FrameBytes() int { return 4 << 20 }

func (c s2Codec) New() Compressor {
	opts := []s2.WriterOption{s2.WriterConcurrency(1)}
	if c {
		opts = append(opts, s2.WriterSnappyCompat())
	}
	return s2.NewWriter(io.Discard, opts...)
}
