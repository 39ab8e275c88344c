package codec

import "io"

// Codec compresses a file as a sequence of frames. Each frame can be decompressed alone, and concatenated frames are one
// valid file. So files can be joined without being compressed again, several workers can write one file, and a file that
// waits for rows need not hold a compressor.
type Codec interface {
	// Ext is the file's extension with its dot, such as ".zst"; empty for None.
	Ext() string

	// FrameBytes is the number of bytes before compression after which a busy file ends its frame.
	FrameBytes() int

	// New makes a compressor.
	New() Compressor
}

// Compressor writes one frame between Reset and Close; Reset begins another one. Those of the usual packages fit it.
type Compressor interface {
	Reset(w io.Writer)
	io.WriteCloser
}
