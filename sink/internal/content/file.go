package content

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"

	"github.com/onceflow/onceflow/sink/codec"
	"github.com/onceflow/onceflow/sink/manifest"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// File reads a file as it lies in the store. At its end it is compared with the manifest: a file that has other bytes ends with
// an error, and not with io.EOF.
func (r *Reader) File(ctx context.Context, f *manifest.File) (io.ReadCloser, error) {
	if f.Offset != 0 {
		return nil, fmt.Errorf("sink: %s: rows within a larger object cannot be read yet", f.Key)
	}
	raw, err := r.store.Open(ctx, f.Key)
	if err != nil {
		return nil, fmt.Errorf("sink: open %s: %w", f.Key, err)
	}
	return &checked{ReadCloser: raw, file: f, sum: crc32.New(castagnoli)}, nil
}

// Text is File with what the file holds before compression, by the extension of its key.
func (r *Reader) Text(ctx context.Context, f *manifest.File) (io.ReadCloser, error) {
	raw, err := r.File(ctx, f)
	if err != nil {
		return nil, err
	}
	text, err := codec.NewReader(f.Key, raw)
	if err != nil {
		_ = raw.Close()
		return nil, fmt.Errorf("sink: decompress %s: %w", f.Key, err)
	}
	return &decompressed{text, raw}, nil
}

// checked compares what was read with a manifest.
type checked struct {
	io.ReadCloser
	file *manifest.File
	sum  hash.Hash32
	read int64
}

func (c *checked) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.read += int64(n)
	_, _ = c.sum.Write(p[:n])
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	if got := fmt.Sprintf("%08x", c.sum.Sum32()); c.read != c.file.Length || got != c.file.CRC32C {
		return n, fmt.Errorf("sink: %s has %d bytes with the checksum %s, its manifest says %d and %s",
			c.file.Key, c.read, got, c.file.Length, c.file.CRC32C)
	}
	return n, err
}

// decompressed closes both.
type decompressed struct {
	io.ReadCloser
	raw io.ReadCloser
}

// Read reads raw to its end, so that its checksum is compared, also if a decompressor has stopped before.
func (d *decompressed) Read(p []byte) (int, error) {
	n, err := d.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		if _, e := io.Copy(io.Discard, d.raw); e != nil {
			return n, e
		}
	}
	return n, err
}

func (d *decompressed) Close() error { return errors.Join(d.ReadCloser.Close(), d.raw.Close()) }
