package file

import (
	"cmp"
	"sync"
	"unsafe"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

const (
	chunkBytes   = 256 << 10 // read at once
	chunkRecords = 4096      // in one batch: keeps the records of very short lines small
	bytesKept    = 16 << 20  // of free chunks
)

// chunkSizes are those of new chunks: a folder of many small files should not need a large one for each.
var chunkSizes = [...]int{chunkBytes / 16, chunkBytes / 4, chunkBytes}

// chunk is the memory of a batch: its records are parts of buf. It is used again once the batch is released.
type chunk struct {
	buf     []byte
	records []record.Record
	dead    []driver.DeadLetter
	marks   []driver.Mark
	done    func()
}

const recordBytes = int64(unsafe.Sizeof(record.Record{}))

// batch makes a batch of what is in the chunk. The batch itself is not used again: somebody may still look at its size.
func (c *chunk) batch(lane string) *driver.Batch {
	return &driver.Batch{
		Lane: lane, Undated: true, Records: c.records, Unreadable: c.dead, Marks: c.marks, Done: c.done,
		Bytes: int64(cap(c.buf)) + int64(len(c.records))*recordBytes,
	}
}

// chunks are free chunks. It is safe for concurrent use, since batches are released by whoever has them.
type chunks struct {
	mu     sync.Mutex
	free   [len(chunkSizes)][]*chunk
	kept   int  // bytes in free
	bytes  int  // in tests: of every chunk
	poison bool // in tests: make use after release visible
}

// get returns a chunk for about need bytes.
func (l *chunks) get(need int64) *chunk {
	class := 0
	for class < len(chunkSizes)-1 && need > int64(chunkSizes[class]) {
		class++
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.free[class]) - 1; n >= 0 {
		c := l.free[class][n]
		l.free[class] = l.free[class][:n]
		l.kept -= cap(c.buf)
		return c
	}
	size := cmp.Or(l.bytes, chunkSizes[class])
	c := &chunk{buf: make([]byte, 0, size), records: make([]record.Record, 0, size/256)}
	c.done = func() { l.put(class, c) }
	return c
}

func (l *chunks) put(class int, c *chunk) {
	if l.poison {
		b := c.buf[:cap(c.buf)]
		for i := range b {
			b[i] = '#'
		}
		clear(c.records)
	}
	c.records, c.dead, c.marks = c.records[:0], nil, nil
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.kept+cap(c.buf) <= bytesKept && cap(c.buf) <= 2*chunkSizes[class] {
		l.free[class] = append(l.free[class], c)
		l.kept += cap(c.buf)
	}
}
