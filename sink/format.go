package sink

import "io"

// Format says how rows become the bytes of a file.
type Format[T any] interface {
	// Ext is the file's extension with its dot, such as ".jsonl".
	Ext() string

	// Open makes an encoder. One encoder serves many files in turn, but is used by one goroutine.
	Open() Encoder[T]
}

// Encoder turns rows into bytes, appending to dst and returning it as append does. It must not retain dst or row. A file
// is the bytes of one Header, then those of any number of blocks; blocks may come from different encoders.
type Encoder[T any] interface {
	// Header begins a file; often nothing.
	Header(dst []byte) []byte

	// Encode appends one row. An error says that this row cannot be written in this format; what was appended for it is
	// taken back and its record goes to the dead-letter flow. So it is with a panic, after which the encoder is used on.
	Encode(dst []byte, row *T) ([]byte, error)
}

// Blocker is an Encoder whose rows need a frame of their own format around a group of them, as in an Avro container.
// Such a format compresses by itself and is used with the Codec None.
type Blocker interface {
	// Block appends the rows that Encode made, as one block.
	Block(dst, rows []byte, n int) ([]byte, error)
}

// Codec compresses a file as a sequence of frames that each can be decompressed alone, such that concatenated frames are
// one valid file. So files can be joined without being compressed again, several workers can write one file, and a file
// that waits for rows need not hold a compressor.
type Codec interface {
	// Ext is the file's extension with its dot, such as ".zst"; empty for None.
	Ext() string

	// FrameBytes is the number of bytes before compression after which a busy file ends its frame.
	FrameBytes() int

	// New makes a compressor.
	New() Compressor
}

// Compressor writes one frame between Reset and Close; Reset begins another one. The compressors of the usual packages
// are made like this.
type Compressor interface {
	Reset(w io.Writer)
	io.WriteCloser
}
