package batch

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy/xerial"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Codecs by their number in a batch.
const (
	None = iota
	Gzip
	Snappy
	LZ4
	Zstd
)

// Decoder decodes batches and keeps what can be used again. It is not safe for concurrent use. Close frees it.
type Decoder struct {
	limit int
	in    bytes.Reader
	gzip  *gzip.Reader
	lz4   *lz4.Reader
	zstd  *zstd.Decoder
	keys  map[string]string
}

// windowRoom is the least memory that zstd may use, since a small frame may declare a window of several MiB.
const windowRoom = 32 << 20

// NewDecoder makes a decoder of batches that decompress to at most limit bytes each.
func NewDecoder(limit int) *Decoder {
	return &Decoder{limit: limit, keys: map[string]string{}}
}

// Close ends what the decoder keeps.
func (d *Decoder) Close() {
	if d.zstd != nil {
		d.zstd.Close()
	}
}

// Plain returns the bytes of h's records: a part of the batch, or decompressed bytes at the start of dst. If dst is too
// small the result is a new slice.
func (d *Decoder) Plain(h *Header, dst []byte) ([]byte, error) {
	var out []byte
	var err error
	switch h.Codec() {
	case None:
		return h.body, nil
	case Gzip:
		out, err = d.gunzip(h.body, dst)
	case Snappy:
		out, err = d.snappy(h.body, dst)
	case LZ4:
		out, err = d.unlz4(h.body, dst)
	case Zstd:
		out, err = d.unzstd(h.body, dst)
	default:
		return nil, fmt.Errorf("%w: codec %d", ErrUnsupported, h.Codec())
	}
	switch {
	case errors.Is(err, ErrTooLarge), err == nil && len(out) > d.limit:
		return nil, fmt.Errorf("%w of %d bytes", ErrTooLarge, d.limit)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return out, nil
}

func (d *Decoder) gunzip(body, dst []byte) ([]byte, error) {
	d.in.Reset(body)
	if d.gzip == nil {
		z, err := gzip.NewReader(&d.in)
		if err != nil {
			return nil, err
		}
		d.gzip = z
	} else if err := d.gzip.Reset(&d.in); err != nil {
		return nil, err
	}
	return d.readAll(d.gzip, dst)
}

func (d *Decoder) unlz4(body, dst []byte) ([]byte, error) {
	d.in.Reset(body)
	if d.lz4 == nil {
		d.lz4 = lz4.NewReader(&d.in)
	} else {
		d.lz4.Reset(&d.in)
	}
	return d.readAll(d.lz4, dst)
}

func (d *Decoder) unzstd(body, dst []byte) ([]byte, error) {
	if d.zstd == nil {
		room := uint64(max(d.limit, windowRoom))
		z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(room))
		if err != nil {
			return nil, err
		}
		d.zstd = z
	}
	out, err := d.zstd.DecodeAll(body, dst[:0])
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		return nil, ErrTooLarge
	}
	return out, err
}

// snappy knows both the plain block and the framing of the xerial library, which Java producers use.
func (d *Decoder) snappy(body, dst []byte) ([]byte, error) {
	for room := max(cap(dst), 4*len(body), 1024); ; room *= 2 {
		room = min(room, d.limit)
		if cap(dst) < room {
			dst = make([]byte, 0, room)
		}
		out, err := xerial.DecodeCapped(dst[:0:room], body)
		if !errors.Is(err, xerial.ErrDstTooSmall) {
			return out, err
		}
		if room == d.limit {
			return nil, ErrTooLarge
		}
	}
}

// readAll appends all that r gives to dst, and no more than the limit.
func (d *Decoder) readAll(r io.Reader, dst []byte) ([]byte, error) {
	out := dst[:0]
	for {
		if len(out) > d.limit {
			return nil, ErrTooLarge
		}
		if len(out) == cap(out) {
			bigger := make([]byte, len(out), min(max(2*cap(out), 64<<10), d.limit+1))
			copy(bigger, out)
			out = bigger
		}
		n, err := r.Read(out[len(out):cap(out)])
		out = out[:len(out)+n]
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
	}
}
