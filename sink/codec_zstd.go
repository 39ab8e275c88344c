package sink

import (
	"io"

	"github.com/klauspost/compress/zstd"
)

// Zstd compresses to Zstandard (RFC 8878), in frames of 4 MiB of rows or more, each with a checksum. Readers need a window
// of 1 MiB. It is the encoder's fastest speed: on JSON rows the next one was slower and no denser.
const Zstd = zstdCodec(zstd.SpeedFastest)

// ZstdLevel is Zstd at a level of the reference encoder, 1 to 22. The encoder here has four speeds, about levels 1, 3, 7
// and 11; level chooses the nearest.
func ZstdLevel(level int) Codec { return zstdCodec(zstd.EncoderLevelFromZstd(level)) }

type zstdCodec zstd.EncoderLevel

func (zstdCodec) Ext() string { return ".zst" }

// FrameBytes: a new frame forgets the window, which at 256 KiB costs a third more time and at 4 MiB nothing to speak of.
func (zstdCodec) FrameBytes() int { return 4 << 20 }

func (c zstdCodec) New() Compressor {
	w, err := zstd.NewWriter(io.Discard,
		zstd.WithEncoderLevel(zstd.EncoderLevel(c)),
		zstd.WithEncoderConcurrency(1), // no goroutine, no second set of buffers: workers are parallel already
		zstd.WithWindowSize(1<<20),
		zstd.WithZeroFrames(true))
	if err != nil {
		panic(err) // only for options out of range
	}
	return w
}
