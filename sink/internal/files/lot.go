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

	cells  cells // of rows for packs
	gather []byte
	packs  atomic.Int64 // bytes of what waits for packs; those of cells are counted when they are taken
}

// open makes the worker's buffer for a file.
func (l *lot) open(f *outFile, s *shared, h header) *buffer {
	b := &buffer{file: f, lot: l, shared: s, head: h}
	b.blk, _ = h.(format.Blocker)
	l.buffers = append(l.buffers, b)
	if f == nil {
		return b
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.buffers = append(f.buffers, b)
	return b
}

// shed writes the larger buffers out, in frames that end early, and frees their memory. So no row ever waits for memory. It
// takes those of at least average size, so it need not sort, and a few calls shrink thousands of them.
func (l *lot) shed(ctx context.Context) error {
	if err := l.pack(ctx); err != nil || len(l.buffers) == 0 {
		return err
	}
	mean := l.bytes.Load() / int64(len(l.buffers))
	for _, b := range l.buffers {
		if b.packer != nil || b.counted == 0 || b.counted < mean {
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

// pack makes packs of the rows that go into some, and frees their memory. A pack has all rows of the worker for its flow and
// hour, since it is sorted.
func (l *lot) pack(ctx context.Context) error {
	by := map[*packer][]*buffer{}
	var order []*packer
	for _, b := range l.buffers {
		if b.packer == nil {
			continue
		}
		if by[b.packer] == nil {
			order = append(order, b.packer)
		}
		by[b.packer] = append(by[b.packer], b)
	}
	for _, p := range order {
		if err := p.write(ctx, by[p]); err != nil {
			return err
		}
	}
	return nil
}
