package files

import (
	"io"
	"sync"

	"github.com/onceflow/onceflow/sink/codec"
	"github.com/onceflow/onceflow/sink/format"
)

// shared is what the buffers of a flow share. It is safe for concurrent use.
type shared struct {
	codec       codec.Codec
	ext         string      // of files: format and codec
	plain       bool        // there is nothing to compress
	block       int         // bytes of rows that a buffer gathers
	join        format.Join // nil if a file is a header and frames behind it
	compressors sync.Pool
}

func newShared(formatExt string, c codec.Codec) *shared {
	w := &shared{codec: c, ext: formatExt + c.Ext(), plain: c == codec.None, block: blockBytes}
	w.compressors.New = func() any { return c.New() }
	return w
}

// joined makes files with j. limit bounds the memory of all workers, 0 does not.
func (w *shared) joined(j format.Join, limit int64, workers int) {
	w.join, w.block = j, max(blockBytes, j.BlockBytes())
	if share := limit / 16 / int64(workers); limit > 0 && share < int64(w.block) {
		w.block = max(blockBytes, int(share))
	}
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
