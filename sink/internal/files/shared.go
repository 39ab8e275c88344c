package files

import (
	"io"
	"sync"

	"github.com/onceflow/onceflow/sink/codec"
)

// shared is what the buffers of a flow share. It is safe for concurrent use.
type shared struct {
	codec       codec.Codec
	ext         string // of files: format and codec
	plain       bool   // there is nothing to compress
	compressors sync.Pool
}

func newShared(formatExt string, c codec.Codec) *shared {
	w := &shared{codec: c, ext: formatExt + c.Ext(), plain: c == codec.None}
	w.compressors.New = func() any { return c.New() }
	return w
}

// frame is where a compressor writes to.
type frame []byte

func (f *frame) Write(p []byte) (int, error) {
	*f = append(*f, p...)
	return len(p), nil
}

// compress appends p to dst as one frame.
func (w *shared) compress(dst, p []byte) ([]byte, error) {
	c := w.compressors.Get().(codec.Compressor)
	defer w.compressors.Put(c)
	out := frame(dst)
	c.Reset(&out)
	if _, err := c.Write(p); err != nil {
		return nil, err
	}
	err := c.Close()
	c.Reset(io.Discard)
	return out, err
}
