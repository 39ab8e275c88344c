package rows

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
)

// Container is an Avro container file, or what packs say of one.
type Container struct {
	Header []byte // as it stands in the file, without the marker at its end
	codec  string
	marker [16]byte
}

// maxPart bounds what is read of a container at once.
const maxPart = 1 << 30

// OpenContainer reads the header of a container.
func OpenContainer(r *bufio.Reader) (*Container, error) {
	c := &Container{codec: "null"}
	in := &recorder{in: r}
	var magic [4]byte
	if _, err := io.ReadFull(in, magic[:]); err != nil {
		return nil, err
	}
	if string(magic[:]) != "Obj\x01" {
		return nil, fmt.Errorf("an Avro container does not begin with %q", magic)
	}
	for {
		n, err := binary.ReadVarint(in)
		if n < 0 {
			n = -n
			_, err = binary.ReadVarint(in)
		}
		if err != nil {
			return nil, err
		}
		if n == 0 {
			break
		}
		for ; n > 0; n-- {
			key, err := part(in)
			if err != nil {
				return nil, err
			}
			value, err := part(in)
			if err != nil {
				return nil, err
			}
			if string(key) == "avro.codec" {
				c.codec = string(value)
			}
		}
	}
	c.Header = in.seen
	_, err := io.ReadFull(r, c.marker[:])
	return c, err
}

// recorder remembers what was read.
type recorder struct {
	in   *bufio.Reader
	seen []byte
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.in.Read(p)
	r.seen = append(r.seen, p[:n]...)
	return n, err
}

func (r *recorder) ReadByte() (byte, error) {
	b, err := r.in.ReadByte()
	if err == nil {
		r.seen = append(r.seen, b)
	}
	return b, err
}

// part reads bytes behind their length.
func part(r interface {
	io.Reader
	io.ByteReader
}) ([]byte, error) {
	n, err := binary.ReadVarint(r)
	if err != nil {
		return nil, err
	}
	if n < 0 || n > maxPart {
		return nil, fmt.Errorf("%d bytes", n)
	}
	var b bytes.Buffer
	_, err = io.CopyN(&b, r, n)
	return b.Bytes(), err
}

// Block reads a block and returns its rows, which are not known if their codec is not; io.EOF at the end of the file.
func (c *Container) Block(r *bufio.Reader) (body []byte, n int64, known bool, err error) {
	if n, err = binary.ReadVarint(r); err != nil {
		return nil, 0, false, err
	}
	body, err = part(r)
	if err == nil {
		_, err = io.ReadFull(r, make([]byte, len(c.marker)))
	}
	if err != nil || n < 1 {
		return nil, 0, false, fmt.Errorf("a block of %d rows: %w", n, noEOF(err))
	}
	body, known, err = c.plain(body)
	return body, n, known, err
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (c *Container) plain(b []byte) ([]byte, bool, error) {
	switch c.codec {
	case "null":
		return b, true, nil
	case "deflate":
		b, err := io.ReadAll(flate.NewReader(bytes.NewReader(b)))
		return b, true, err
	case "snappy": // and its CRC-32 behind it
		if len(b) < 4 {
			return nil, true, io.ErrUnexpectedEOF
		}
		sum := binary.BigEndian.Uint32(b[len(b)-4:])
		b, err := snappy.Decode(nil, b[:len(b)-4])
		if err == nil && crc32.ChecksumIEEE(b) != sum {
			err = errors.New("the CRC-32 of a block's rows is another one")
		}
		return b, true, err
	case "zstandard":
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, true, err
		}
		defer d.Close()
		b, err := d.DecodeAll(b, nil)
		return b, true, err
	}
	return nil, false, nil
}

// Decompress opens a block that stands alone in a pack, as Decompress does.
func (c *Container) Decompress(_ string, r io.Reader) (io.ReadCloser, bool, error) {
	in := bufio.NewReader(r)
	b, _, known, err := c.Block(in)
	if _, more := in.ReadByte(); err == nil && more == nil {
		err = errors.New("something follows the block")
	}
	return io.NopCloser(bytes.NewReader(b)), known, err
}

// InContainer counts the rows of an Avro container, by what its blocks say, and writes them to w as they are encoded. It tells
// whether it could: not if it does not know the codec.
func InContainer(r io.Reader, w io.Writer) (c *Container, n Count, known bool, err error) {
	in := bufio.NewReader(r)
	if c, err = OpenContainer(in); err != nil {
		return nil, n, false, noEOF(err)
	}
	for known = true; ; {
		if at, err := in.Peek(1); len(at) == 0 {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return c, n, known, err
		}
		b, k, ok, err := c.Block(in)
		if err != nil {
			return c, n, known, noEOF(err)
		}
		n.Rows += k
		if known = known && ok; known {
			_, err = w.Write(b)
		}
		if err != nil {
			return c, n, known, err
		}
	}
}
