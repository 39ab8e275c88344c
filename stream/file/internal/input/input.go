package input

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
)

// Error says that a file cannot be opened, or that what is in it cannot be read.
type Error struct{ err error }

func (e *Error) Error() string { return e.err.Error() }
func (e *Error) Unwrap() error { return e.err }

// Bad makes an Error.
func Bad(format string, args ...any) error { return &Error{fmt.Errorf("file: "+format, args...)} }

// Input is the text of an open file. It is not safe for concurrent use.
type Input struct {
	Path string
	Info os.FileInfo // when it was opened
	Kind Content
	File *os.File

	raw  *counter // of compressed files
	text io.Reader
	out  int64 // bytes of text read
	pool *Pool
}

// Open opens a file and looks at what is in it.
func Open(path string, pool *Pool) (*Input, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, Bad("%w", err)
	}
	in := &Input{Path: path, File: f, text: f, pool: pool}
	if err := in.begin(); err != nil {
		in.Close()
		return nil, err
	}
	return in, nil
}

func (in *Input) begin() (err error) {
	if in.Info, err = in.File.Stat(); err != nil {
		return Bad("%w", err)
	}
	if !in.Info.Mode().IsRegular() {
		return Bad("%s is not a regular file", in.Path)
	}
	var magic [magicBytes]byte
	n, err := in.File.ReadAt(magic[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return Bad("%w", err)
	}
	switch in.Kind = sniff(magic[:n]); in.Kind {
	case Plain:
		return nil
	case gzipped, zstded:
		in.raw = in.pool.counter(in.File)
		return in.decompress()
	}
	return Bad("%s holds %s; plain text, gzip and zstd can be read", in.Path, in.Kind)
}

func (in *Input) decompress() (err error) {
	if in.Kind == gzipped {
		in.text, err = in.pool.gzip(in.raw)
	} else {
		in.text, err = in.pool.zstd(in.raw)
	}
	if err != nil {
		return in.damaged(err)
	}
	return nil
}

// Rewind goes back to the start of a compressed file.
func (in *Input) Rewind() error {
	if _, err := in.File.Seek(0, io.SeekStart); err != nil {
		return Bad("%w", err)
	}
	in.pool.put(in.text, in.raw)
	in.raw, in.out = in.pool.counter(in.File), 0
	return in.decompress()
}

// Resume goes on at an offset of a plain file.
func (in *Input) Resume(at int64) error {
	if _, err := in.File.Seek(at, io.SeekStart); err != nil {
		return Bad("%w", err)
	}
	in.out = at
	return nil
}

// Read fills p as far as the text goes. The error is io.EOF if the text ends before p is full, also if something was
// read. With any other error the bytes before it are good.
func (in *Input) Read(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = in.text.Read(p[n:])
		n += m
	}
	if in.raw != nil && in.out == 0 {
		if k := sniff(p[:min(n, magicBytes)]); k != Plain {
			return 0, Bad("%s holds %s within %s; plain text within it can be read", in.Path, k, in.Kind)
		}
	}
	in.out += int64(n)
	switch {
	case n == len(p):
		return n, nil // an error, if there was one, comes again
	case errors.Is(err, io.EOF):
		return n, io.EOF
	case in.raw == nil:
		return n, Bad("%s: at byte %d: %w", in.Path, in.out, err)
	}
	return n, in.damaged(err)
}

func (in *Input) damaged(err error) error {
	if errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		return Bad("%s: its zstd window is larger than Options.MaxWindow, %d bytes: %w",
			in.Path, in.pool.window, err)
	}
	if errors.Is(err, errGarbage) || errors.Is(err, zstd.ErrMagicMismatch) && in.out > 0 {
		return Bad("%s: the %s data ends at byte %d or shortly before, and something else follows: garbage, or a file that was not compressed; "+
			"%d bytes of text came out of it: %w", in.Path, in.Kind, in.raw.offset(), in.out, err)
	}
	what := "may be damaged"
	if errors.Is(err, io.ErrUnexpectedEOF) {
		what = "may be cut short, or still be written,"
	}
	return Bad("%s: the %s data %s at byte %d or shortly before; %d bytes of text came out of it: %w",
		in.Path, in.Kind, what, in.raw.offset(), in.out, err)
}

// Offset is how many bytes of text were read.
func (in *Input) Offset() int64 { return in.out }

// Size is how many bytes of the file were read, once its end was.
func (in *Input) Size() int64 {
	if in.raw != nil {
		return in.Info.Size() // a compressed file does not grow
	}
	return in.out
}

// Close gives the decoder back for the next file.
func (in *Input) Close() {
	in.File.Close()
	if in.raw != nil {
		in.pool.put(in.text, in.raw)
	}
}
