package codec

import (
	"io"
	"path"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Known reports whether ext is the extension of one of the codecs here.
func Known(ext string) bool {
	switch ext {
	case None.Ext(), Gzip.Ext(), Zstd.Ext(), LZ4.Ext(), S2.Ext(), Snappy.Ext():
		return true
	}
	return false
}

// NewReader decompresses what r gives, by the extension of a file's name. Names with another extension than those of the
// codecs here are read as they are. Close frees what the decompressor has, and does not close r.
func NewReader(name string, r io.Reader) (io.ReadCloser, error) {
	switch path.Ext(name) {
	case Gzip.Ext():
		return gzip.NewReader(r)
	case Zstd.Ext():
		d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	case LZ4.Ext():
		return io.NopCloser(lz4.NewReader(r)), nil
	case S2.Ext(), Snappy.Ext():
		return io.NopCloser(s2.NewReader(r)), nil
	}
	return io.NopCloser(r), nil
}
