package file

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
)

// input is the text of an open file. It is not safe for concurrent use.
type input struct {
	path string
	file *os.File
	info os.FileInfo // when it was opened
	kind content

	raw  *counter // of compressed files
	text io.Reader
	out  int64 // bytes of text read
	pool *decoders
}

// openInput opens a file and looks at what is in it.
func openInput(path string, pool *decoders) (*input, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("file: %w", err)
	}
	in := &input{path: path, file: f, text: f, pool: pool}
	if err := in.begin(); err != nil {
		in.close()
		return nil, err
	}
	return in, nil
}

func (in *input) begin() (err error) {
	if in.info, err = in.file.Stat(); err != nil {
		return fmt.Errorf("file: %w", err)
	}
	if !in.info.Mode().IsRegular() {
		return fmt.Errorf("file: %s is not a regular file", in.path)
	}
	var magic [magicBytes]byte
	n, err := in.file.ReadAt(magic[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("file: %w", err)
	}
	switch in.kind = sniff(magic[:n]); in.kind {
	case plain:
		return nil
	case gzipped, zstded:
		in.raw = in.pool.counter(in.file)
		return in.decompress()
	}
	return fmt.Errorf("file: %s holds %s; plain text, gzip and zstd can be read", in.path, in.kind)
}

func (in *input) decompress() (err error) {
	if in.kind == gzipped {
		in.text, err = in.pool.gzip(in.raw)
	} else {
		in.text, err = in.pool.zstd(in.raw)
	}
	if err != nil {
		return in.damaged(err)
	}
	return nil
}

// rewind goes back to the start of a compressed file.
func (in *input) rewind() error {
	if _, err := in.file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("file: %w", err)
	}
	in.pool.put(in.text, in.raw)
	in.raw, in.out = in.pool.counter(in.file), 0
	return in.decompress()
}

// seek goes on at an offset of a plain file.
func (in *input) seek(to int64) error {
	if _, err := in.file.Seek(to, io.SeekStart); err != nil {
		return fmt.Errorf("file: %w", err)
	}
	in.out = to
	return nil
}

// read fills p as far as the text goes. The error is io.EOF if the text ends before p is full, also if something was
// read. With any other error the bytes before it are good.
func (in *input) read(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = in.text.Read(p[n:])
		n += m
	}
	in.out += int64(n)
	switch {
	case n == len(p):
		return n, nil // an error, if there was one, comes again
	case errors.Is(err, io.EOF):
		return n, io.EOF
	case in.raw == nil:
		return n, fmt.Errorf("file: %s: at byte %d: %w", in.path, in.out, err)
	}
	return n, in.damaged(err)
}

func (in *input) damaged(err error) error {
	if errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		return fmt.Errorf("file: %s: its zstd window is larger than Options.MaxWindow, %d bytes: %w",
			in.path, in.pool.window, err)
	}
	what := "may be damaged"
	if errors.Is(err, io.ErrUnexpectedEOF) {
		what = "may be cut short, or still be written,"
	}
	return fmt.Errorf("file: %s: the %s data %s at byte %d or shortly before; %d bytes of text came out of it: %w",
		in.path, in.kind, what, in.raw.offset(), in.out, err)
}

// size is how many bytes of the file were read, once its end was.
func (in *input) size() int64 {
	if in.raw != nil {
		return in.info.Size() // a compressed file does not grow
	}
	return in.out
}

// close gives the decoder back for the next file.
func (in *input) close() {
	in.file.Close()
	if in.raw != nil {
		in.pool.put(in.text, in.raw)
	}
}
