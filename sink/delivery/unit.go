package delivery

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"time"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/codec"
	"github.com/onceflow/onceflow/sink/manifest"
)

// Unit is what a target loads at once: the files of a transaction, or of a sealed hour. Its fields are read only. It is safe
// for concurrent use.
type Unit struct {
	// ID is the name of the unit in this delivery: letters, digits, '-', '_' and '.', at most 200. No other unit ever has it,
	// also of a job that was begun anew under the same name.
	ID string

	Delivery, Job string
	After         Cursor // the cursor on which the unit builds
	Cursor        Cursor // and the one that is right once it is loaded

	// Attempt is 0, or the number of the attempt to load a unit that was parked.
	Attempt int

	// Files are those of the flows that are delivered, ordered by key. None has dead letters or notes.
	Files []manifest.File

	store sink.Store
	seen  time.Time // when this process met it
}

// unitID is the ID of a unit whose cursor is c.
func unitID(delivery string, c Cursor) string {
	ledger := c.Ledger[:min(len(c.Ledger), 16)]
	if c.Hour.IsZero() {
		return fmt.Sprintf("%s-%s-e%d", delivery, ledger, c.Entry)
	}
	return fmt.Sprintf("%s-%s-h%s", delivery, ledger, c.Hour.UTC().Format("20060102T1504"))
}

// Rows are the rows of all files.
func (u *Unit) Rows() (n int64) {
	for i := range u.Files {
		n += u.Files[i].Rows
	}
	return n
}

// Bytes are the bytes of all files, compressed.
func (u *Unit) Bytes() (n int64) {
	for i := range u.Files {
		n += u.Files[i].Length
	}
	return n
}

// Open reads a file of the unit as it lies in the store. At its end it is compared with the manifest: a file that has other bytes
// ends with an error, and not with io.EOF. An error says nothing of the target.
func (u *Unit) Open(ctx context.Context, f *manifest.File) (io.ReadCloser, error) {
	if f.Offset != 0 {
		return nil, fmt.Errorf("delivery: %s: rows within a larger object cannot be read yet", f.Key)
	}
	r, err := u.store.Open(ctx, f.Key)
	if err != nil {
		return nil, fmt.Errorf("delivery: open %s: %w", f.Key, err)
	}
	return &checked{ReadCloser: r, file: f, sum: crc32.New(crc32.MakeTable(crc32.Castagnoli))}, nil
}

// Text is Open with what the file holds before compression, by the extension of its key.
func (u *Unit) Text(ctx context.Context, f *manifest.File) (io.ReadCloser, error) {
	raw, err := u.Open(ctx, f)
	if err != nil {
		return nil, err
	}
	text, err := codec.NewReader(f.Key, raw)
	if err != nil {
		_ = raw.Close()
		return nil, fmt.Errorf("delivery: decompress %s: %w", f.Key, err)
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
		return n, fmt.Errorf("delivery: %s has %d bytes with the checksum %s, its manifest says %d and %s",
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
