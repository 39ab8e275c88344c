package files

import (
	"context"
	"fmt"
	"io"

	"github.com/onceflow/onceflow/sink/codec"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/internal/retry"
)

// The sizes that a worker works with.
const (
	// blockBytes of rows go to a compressor at once. With less, a worker of several flows spends much of its time on
	// getting the windows and tables of their compressors back into the processor's cache: at 64 KiB six flows cost a
	// third more, while one flow costs the same. A worker with thousands of files open rarely gets that far, see lot.shed.
	blockBytes = 256 << 10

	// keepCompressors is how many files of a worker may keep a compressor from one block to the next. That makes the frames
	// of busy files long.
	keepCompressors = 8

	// compressorBytes is what a compressor counts for in the budget; those of zstd with a window of 1 MiB take about so
	// much, others less.
	compressorBytes = 2 << 20

	// folderBytes is what a folder counts for until the transaction ends, besides its rows: names, maps, the staged file
	// and its place in the entry. bufferBytes is the same for each worker's buffer. Only a commit frees them, so a job over
	// its limit commits early. In a heap profile of 15,000 folders a buffer had 200 bytes, and a folder 500 before its
	// commit.
	folderBytes = 1500
	bufferBytes = 300
)

// buffer holds the rows of one worker for one file. Only its worker uses it, until the transaction's files are finished.
//
// Rows are encoded into raw. A kept compressor takes them from there, block by block, into out, and its frame ends after
// Codec.FrameBytes. Without a kept compressor a borrowed one takes them in one piece. Rows that go into a pack are copied into
// cells of the lot instead: see packed.
type buffer struct {
	file   *outFile // nil if the rows go into a pack
	lot    *lot
	shared *shared
	head   header         // the worker's encoder, to begin a file with
	blk    format.Blocker // the same, if it is one

	raw  []byte
	rows int64 // in raw

	comp      codec.Compressor // kept; nil if none is
	out       frame            // what comp has made of the frame so far
	frameRaw  int              // bytes that went into it
	frameRows int64

	counted int64 // bytes counted in lot

	packed // if the rows go into a pack
}

type header interface{ Header(dst []byte) []byte }

// count brings the lot's number of bytes up to date.
func (b *buffer) count() {
	n := int64(cap(b.raw) + cap(b.out))
	if b.comp != nil {
		n += compressorBytes
	}
	if n != b.counted {
		b.lot.bytes.Add(n - b.counted)
		b.counted = n
	}
}

// drain moves the rows out of raw, into the frame in progress or to the file. It must not be called within a row, nor if the
// rows go into a pack: see hold.
func (b *buffer) drain(ctx context.Context) error {
	defer b.count()
	switch {
	case len(b.raw) == 0:
		return nil
	case b.blk != nil || b.shared.plain:
		return b.whole(ctx)
	case b.comp == nil && b.lot.kept.Load() >= b.lot.keep:
		return b.whole(ctx)
	}
	if b.comp == nil {
		b.comp = b.shared.compressors.Get().(codec.Compressor)
		b.lot.kept.Add(1)
	}
	if b.frameRaw == 0 {
		b.out = b.out[:0]
		b.comp.Reset(&b.out)
	}
	if _, err := b.comp.Write(b.raw); err != nil {
		return retry.Stop(fmt.Errorf("sink: compress for %s: %w", b.file.path, err))
	}
	b.frameRaw += len(b.raw)
	b.frameRows += b.rows
	b.empty()
	if b.frameRaw < b.shared.codec.FrameBytes() {
		return nil
	}
	return b.endFrame(ctx)
}

// whole writes raw as one frame, or as one block of the format's own.
func (b *buffer) whole(ctx context.Context) error {
	p, err := b.framed(b.out[:0], b.raw)
	if err != nil {
		return retry.Stop(fmt.Errorf("sink: write to %s: %w", b.file.path, err))
	}
	if b.blk == nil && !b.shared.plain {
		b.out = p
	}
	if err := b.file.add(ctx, p, b.rows, b.header); err != nil {
		return err
	}
	b.empty()
	return nil
}

// framed returns raw, all rows of b, as one frame or block, which it makes in dst; raw itself if a file has neither.
func (b *buffer) framed(dst, raw []byte) ([]byte, error) {
	switch {
	case b.blk != nil:
		p, err := b.blk.Block(nil, raw, int(b.rows))
		if err != nil {
			err = fmt.Errorf("encode a block: %w", err)
		}
		return p, err
	case b.shared.plain:
		return raw, nil
	}
	p, err := b.shared.compress(dst, raw)
	if err != nil {
		err = fmt.Errorf("compress: %w", err)
	}
	return p, err
}

func (b *buffer) endFrame(ctx context.Context) error {
	if b.frameRaw == 0 {
		return nil
	}
	if err := b.comp.Close(); err != nil {
		return retry.Stop(fmt.Errorf("sink: compress for %s: %w", b.file.path, err))
	}
	err := b.file.add(ctx, b.out, b.frameRows, b.header)
	b.out, b.frameRaw, b.frameRows = b.out[:0], 0, 0
	return err
}

// empty forgets the rows in raw. It frees the memory if one huge row took it.
func (b *buffer) empty() {
	b.rows = 0
	if cap(b.raw) > 4*b.shared.block {
		b.raw = nil
	}
	b.raw = b.raw[:0]
}

// end writes everything out and gives the compressor back.
func (b *buffer) end(ctx context.Context) error {
	if err := b.drain(ctx); err != nil {
		return err
	}
	err := b.endFrame(ctx)
	if b.comp != nil {
		b.comp.Reset(io.Discard) // or the pool would keep our memory
		b.shared.compressors.Put(b.comp)
		b.comp = nil
		b.lot.kept.Add(-1)
	}
	return err
}

// free gives all memory back. Rows that are not written out are lost.
func (b *buffer) free() {
	b.raw, b.out, b.comp = nil, nil, nil
	b.forget()
	b.count()
}

// header is the beginning of a file, as a frame of its own.
func (b *buffer) header() ([]byte, error) {
	h := b.head.Header(nil)
	if len(h) == 0 || b.shared.plain || b.blk != nil {
		return h, nil
	}
	return b.shared.compress(nil, h)
}
