package files

import (
	"cmp"
	"context"
	"fmt"
	"hash/crc32"
	"sync"
	"time"

	"github.com/onceflow/onceflow/sink/driver"
)

// folder is where the rows of one flow, kind, hour and set of keys go.
type folder struct {
	flow string
	kind Kind
	hour time.Time // start
	path string    // of its files' keys, with the slash at its end
	ext  string    // of its files
}

// outFile is what all workers of a transaction write to one folder: a growing file, and the files that were cut off it
// because they were large enough. It is safe for concurrent use.
type outFile struct {
	folder
	set *Set

	mu      sync.Mutex
	part    *part     // nil before the first frame, and after a cut
	buffers []*buffer // of all workers
	err     error     // the first; nothing can be added after it
}

// part is one staged file.
type part struct {
	up       driver.Upload
	file     File
	gatherer driver.Gatherer // up, if it is one
	gathered int64           // bytes that it keeps in memory
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// add appends a frame of rows. If there is no staged file it begins one with header. It owns frame until it returns. After
// an error nothing can be added and the transaction cannot commit.
func (f *outFile) add(ctx context.Context, frame []byte, rows int64, header func() ([]byte, error)) error {
	full, err := f.append(ctx, frame, rows, header)
	if err != nil || full == nil {
		return err
	}
	return f.closed(f.set.close(ctx, full)) // outside the lock: the other workers go on with the next part
}

// closed notes an error of closing a part, so that the transaction cannot commit.
func (f *outFile) closed(err error) error {
	if err != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.err = cmp.Or(f.err, err)
	}
	return err
}

// cut takes the part away if it has at least least bytes in memory.
func (f *outFile) cut(least int64) *part {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.part
	if p == nil || p.gathered == 0 || p.gathered < least {
		return nil
	}
	f.part = nil
	return p
}

// append returns the part if it is full.
func (f *outFile) append(ctx context.Context, frame []byte, rows int64, header func() ([]byte, error)) (*part, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil && f.part == nil {
		f.err = f.begin(ctx, header)
	}
	if f.err == nil {
		f.err = f.part.write(frame)
	}
	if f.err != nil {
		return nil, f.err
	}
	p := f.part
	p.file.Rows += rows
	if p.gatherer != nil {
		f.set.gather(p, p.gatherer.Gathered())
	}
	if p.file.Length < f.set.maxBytes {
		return nil, nil
	}
	f.part = nil
	return p, nil
}

// begin needs f.mu.
func (f *outFile) begin(ctx context.Context, header func() ([]byte, error)) error {
	head, err := header()
	if err != nil {
		return err
	}
	f.part, err = f.set.begin(ctx, &f.folder)
	if err != nil || len(head) == 0 {
		return err
	}
	return f.part.write(head)
}

func (p *part) write(b []byte) error {
	if _, err := p.up.Write(b); err != nil {
		return fmt.Errorf("sink: write %s: %w", p.file.Key, err)
	}
	p.file.Length += int64(len(b))
	p.file.CRC32C = crc32.Update(p.file.CRC32C, castagnoli, b)
	return nil
}

// finish ends the frames of all workers and closes the staged file. No worker may be writing.
func (f *outFile) finish(ctx context.Context) error {
	for _, b := range f.buffers {
		if err := b.end(ctx); err != nil {
			return err
		}
		b.free()
	}
	f.buffers = nil
	if f.err != nil || f.part == nil {
		return f.err
	}
	last := f.part
	f.part = nil
	return f.set.close(ctx, last)
}

// free gives the buffers back.
func (f *outFile) free() {
	for _, b := range f.buffers {
		b.free()
	}
	f.buffers = nil
}
