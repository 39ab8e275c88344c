package fetch

import (
	"sync"
	"sync/atomic"
)

// pool keeps memory for reuse: buffers of answers, chunks of decompressed bytes, deliveries. Its zero value is ready; it is
// safe for concurrent use.
type pool struct {
	mu         sync.Mutex
	buffers    []*buffer
	chunks     [][]byte
	deliveries []*delivery
}

const (
	// chunk is the size of the pieces for decompressed bytes. A larger batch gets a larger piece, which is not kept.
	chunk = 1 << 20

	keepChunks     = 32
	keepBuffers    = 4
	keepDeliveries = 64
)

// buffer holds an answer. Records that were not compressed lie in it.
type buffer struct {
	b    []byte
	refs atomic.Int32
}

func (p *pool) buffer() *buffer {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := &buffer{}
	if n := len(p.buffers); n > 0 {
		b = p.buffers[n-1]
		p.buffers = p.buffers[:n-1]
	}
	b.refs.Store(1)
	return b
}

// release gives up one use.
func (b *buffer) release(p *pool) {
	if b == nil || b.refs.Add(-1) > 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.buffers) < keepBuffers {
		p.buffers = append(p.buffers, b)
	}
}

// delivery takes one that was kept; nil if there is none.
func (p *pool) delivery() *delivery {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.deliveries)
	if n == 0 {
		return nil
	}
	d := p.deliveries[n-1]
	p.deliveries = p.deliveries[:n-1]
	return d
}

// keep takes back a delivery that holds nothing.
func (p *pool) keep(d *delivery) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.deliveries) < keepDeliveries {
		p.deliveries = append(p.deliveries, d)
	}
}

// chunk returns an empty slice with room for n bytes or more.
func (p *pool) chunk(n int) []byte {
	if n > chunk {
		return make([]byte, 0, n)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.chunks); n > 0 {
		c := p.chunks[n-1]
		p.chunks = p.chunks[:n-1]
		return c
	}
	return make([]byte, 0, chunk)
}

func (p *pool) takeBack(chunks [][]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range chunks {
		if cap(c) == chunk && len(p.chunks) < keepChunks {
			p.chunks = append(p.chunks, c[:0])
		}
	}
}

// arena hands out room for decompressed bytes.
type arena struct {
	pool   *pool
	chunks [][]byte // the last one is being filled
	used   int64
}

// room returns an empty slice with room for about n bytes.
func (a *arena) room(n int) []byte {
	if len(a.chunks) > 0 {
		if c := a.chunks[len(a.chunks)-1]; cap(c)-len(c) >= n {
			return c[len(c):cap(c)][:0]
		}
	}
	c := a.pool.chunk(n)
	a.chunks = append(a.chunks, c)
	return c
}

// took says that b is in use. b comes from the result of room, or is a slice of its own.
func (a *arena) took(b []byte) {
	a.used += int64(len(b))
	if len(b) == 0 {
		return
	}
	c := &a.chunks[len(a.chunks)-1]
	if free := (*c)[len(*c):cap(*c)]; len(free) > 0 && &free[0] == &b[0] {
		*c = (*c)[:len(*c)+len(b)]
	}
}

// reset gives everything back.
func (a *arena) reset() {
	a.pool.takeBack(a.chunks)
	clear(a.chunks)
	a.chunks, a.used = a.chunks[:0], 0
}
