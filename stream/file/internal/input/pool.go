package input

import (
	"bufio"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Pool keeps what is costly to make for the next file. It is safe for concurrent use.
type Pool struct {
	window int
	keep   int

	mu       sync.Mutex
	gzips    []*members
	zstds    []*zstd.Decoder
	counters []*counter
}

// NewPool returns an empty pool that keeps so many decoders of each kind. window is the largest of a zstd frame.
func NewPool(window, keep int) *Pool { return &Pool{window: window, keep: keep} }

func take[T any](d *Pool, list *[]T) (v T, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := len(*list) - 1
	if n < 0 {
		return v, false
	}
	v, *list = (*list)[n], (*list)[:n]
	return v, true
}

func (d *Pool) counter(f io.Reader) *counter {
	c, ok := take(d, &d.counters)
	if !ok {
		c = &counter{Reader: bufio.NewReaderSize(nil, 64<<10)}
	}
	c.n = 0
	c.Reset(&counted{f, &c.n})
	return c
}

func (d *Pool) gzip(c *counter) (io.Reader, error) {
	if z, ok := take(d, &d.gzips); ok {
		return z, z.Reset(c)
	}
	z := &members{z: new(gzip.Reader)}
	if err := z.Reset(c); err != nil {
		return nil, err
	}
	return z, nil
}

func (d *Pool) zstd(c *counter) (io.Reader, error) {
	if z, ok := take(d, &d.zstds); ok {
		return z, z.Reset(c)
	}
	z, err := zstd.NewReader(c, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(uint64(d.window)), zstd.WithDecoderMaxWindow(uint64(d.window)))
	if err != nil {
		return nil, err
	}
	return z, nil
}

// put takes back what counter, gzip and zstd gave; text may be nil.
func (d *Pool) put(text io.Reader, c *counter) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c.Reset(nil)
	if len(d.counters) < d.keep {
		d.counters = append(d.counters, c)
	}
	switch z := text.(type) {
	case *members:
		if len(d.gzips) < d.keep {
			d.gzips = append(d.gzips, z)
		}
	case *zstd.Decoder:
		if len(d.zstds) < d.keep && z.Reset(nil) == nil {
			d.zstds = append(d.zstds, z)
		} else {
			z.Close()
		}
	}
}

// Close frees the decoders.
func (d *Pool) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, z := range d.zstds {
		z.Close()
	}
	d.gzips, d.zstds, d.counters, d.keep = nil, nil, nil, 0
}

// counter reads a compressed file and knows how much of it a decoder took.
type counter struct {
	*bufio.Reader
	n int64 // read from the file
}

func (c *counter) offset() int64 { return c.n - int64(c.Buffered()) }

type counted struct {
	r io.Reader
	n *int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	*c.n += int64(n)
	return n, err
}
