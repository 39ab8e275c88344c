package format

import "io"

// Joiner is a Format whose files are more than a header and what encoders made behind it, such as Avro and Parquet. Its
// encoders are Blockers. Without Join a Blocker's format cannot be used in merged flows.
type Joiner interface{ Join() Join }

// Join makes files of a format without knowing the type of the rows. It is safe for concurrent use.
type Join interface {
	// Name stands in the packs of merged flows. Any Join of this name can make files of their rows.
	Name() string

	// Alike tells whether rows that belong to one header may be in a file with rows of the other. Headers are what
	// Encoder.Header made, also in another process or an older version of the program.
	Alike(a, b []byte) bool

	// Begin begins a file, whose bytes are written to w while rows are added, and at its Close. The file keeps about memory
	// bytes at most. After an error the file is of no use.
	Begin(w io.Writer, header []byte, memory int64) (File, error)

	// BlockBytes of rows make a block that is worth being one. A worker gathers so many, unless memory is short. A
	// format whose blocks may be short says 0.
	BlockBytes() int
}

// File is a file under way. It does not retain rows or blocks. After an error it is of no use. It is not safe for concurrent
// use.
type File interface {
	// Rows adds n rows as Encode made them.
	Rows(rows []byte, n int64) error

	// Block adds what Block made of n rows, behind any header that is alike.
	Block(block []byte, n int64) error

	// Waiting is about how long the part of the file is that was not written yet.
	Waiting() int64

	// Close writes the rest of the file. It does not close the writer.
	Close() error
}
