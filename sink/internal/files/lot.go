package files

import (
	"context"
	"sync/atomic"

	"github.com/onceflow/onceflow/sink/format"
)

// lot has all buffers of one worker in one transaction. Only the worker uses it until the buffers are finished, which
// happens in parallel by file.
type lot struct {
	buffers []*buffer
	keep    int32        // compressors that may be kept
	kept    atomic.Int32 // compressors that are
	bytes   atomic.Int64 // bytes of all buffers, for the budget
}

// open makes the worker's buffer for a file.
func (l *lot) open(f *outFile, s *shared, h header) *buffer {
	b := &buffer{file: f, lot: l, shared: s, head: h}
	b.blk, _ = h.(format.Blocker)
	l.buffers = append(l.buffers, b)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.buffers = append(f.buffers, b)
	return b
}

// shed writes the larger buffers out, in frames that end early, and frees their memory. So no row ever waits for memory. It
// takes those of at least average size, so it need not sort, and a few calls shrink thousands of them.
func (l *lot) shed(ctx context.Context) error {
	if len(l.buffers) == 0 {
		return nil
	}
	mean := l.bytes.Load() / int64(len(l.buffers))
	for _, b := range l.buffers {
		if b.counted == 0 || b.counted < mean {
			continue
		}
		if err := b.end(ctx); err != nil {
			return err
		}
		b.raw, b.out = nil, nil
		b.count()
	}
	return nil
}
