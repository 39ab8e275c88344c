package file

import (
	"sync"
	"unsafe"

	"github.com/onceflow/onceflow/stream"
)

const (
	chunkBytes   = 256 << 10 // read at once
	chunkRecords = 4096      // in one batch: keeps the records of very short lines small
	chunksKept   = 32
)

// chunk is the memory of a batch: its records are parts of buf. It is used again once the batch is released.
type chunk struct {
	buf     []byte
	records []stream.Record
	dead    []stream.DeadLetter
	done    func()
}

const recordBytes = int64(unsafe.Sizeof(stream.Record{}))

// batch makes a batch of what is in the chunk. The batch itself is not used again: somebody may still look at its size.
func (c *chunk) batch(lane string) *stream.Batch {
	return &stream.Batch{
		Lane: lane, Records: c.records, Unreadable: c.dead, Done: c.done,
		Bytes: int64(cap(c.buf)) + int64(len(c.records))*recordBytes,
	}
}

// chunks is a list of free chunks. It is safe for concurrent use, since batches are released by whoever has them.
type chunks struct {
	mu     sync.Mutex
	free   []*chunk
	bytes  int  // of a new one
	poison bool // in tests: make use after release visible
}

func (l *chunks) get() *chunk {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.free) - 1; n >= 0 {
		c := l.free[n]
		l.free = l.free[:n]
		return c
	}
	c := &chunk{buf: make([]byte, 0, l.bytes)}
	c.done = func() { l.put(c) }
	return c
}

func (l *chunks) put(c *chunk) {
	if l.poison {
		b := c.buf[:cap(c.buf)]
		for i := range b {
			b[i] = '#'
		}
		clear(c.records)
	}
	c.records, c.dead = c.records[:0], nil
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.free) < chunksKept && cap(c.buf) <= 2*l.bytes {
		l.free = append(l.free, c)
	}
}
