package files

import (
	"cmp"
	"context"
	"fmt"
	"hash/crc32"
	"sync"
	"time"

	"github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/format"
)

// folder is where the rows of one flow, kind, hour and set of keys go.
type folder struct {
	flow string
	kind Kind
	hour time.Time // start
	path string    // of its files' keys, with the slash at its end
	ext  string    // of its files

	join format.Join // makes them; nil if a file is a header and frames behind it
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
	joined   format.File     // writes the file; nil if a file is a header and frames behind it
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
		f.err = f.part.add(frame, rows)
	}
	if f.err != nil {
		return nil, f.err
	}
	p := f.part
	p.file.Rows += rows
	if p.gatherer != nil {
		f.set.gather(p, p.gatherer.Gathered())
	}
	length := p.file.Length
	if p.joined != nil {
		length += p.joined.Waiting()
	}
	if length < f.set.maxBytes {
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
	if err != nil {
		return err
	}
	if f.join != nil {
		if f.part.joined, err = f.join.Begin(writing{f.part}, head, blockBytes); err != nil {
			err = fmt.Errorf("sink: begin %s: %w", f.part.file.Key, err)
		}
		return err
	}
	if len(head) == 0 {
		return nil
	}
	return f.part.write(head)
}

// add appends a frame of rows.
func (p *part) add(frame []byte, rows int64) error {
	if p.joined == nil {
		return p.write(frame)
	}
	if err := p.joined.Block(frame, rows); err != nil {
		return fmt.Errorf("sink: write %s: %w", p.file.Key, err)
	}
	return nil
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
	if f.join != nil {
		f.together()
	}
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

// together gathers the rows of all workers into few buffers, since each makes a block of its own.
func (f *outFile) together() {
	var to *buffer
	for _, b := range f.buffers {
		if to == nil || len(to.raw)+len(b.raw) > b.shared.block {
			to = b
			continue
		}
		to.raw, to.rows = append(to.raw, b.raw...), to.rows+b.rows
		b.empty()
	}
}

// free gives the buffers back.
func (f *outFile) free() {
	for _, b := range f.buffers {
		b.free()
	}
	f.buffers = nil
}
