package files

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"sync"

	"github.com/onceflow/onceflow/sink/internal/pack"
	"github.com/onceflow/onceflow/sink/internal/retry"
)

// packExt is the extension of packs.
const packExt = ".pack"

// packingBytes is what a pack counts for in the budget while it is written: a segment, a piece of it and a compressor.
const packingBytes = 4 << 20

// packer makes the packs of one flow and hour in a transaction: one of all workers at its end, and before that one of each
// worker that needs memory. It is safe for concurrent use.
type packer struct {
	folder // of packs
	set    *Set
	shared *shared

	mu      sync.Mutex // a leaf
	buffers []*buffer
}

// packed is the part of a buffer whose rows go into a pack, all those of one key path.
type packed struct {
	packer *packer
	pack.Key
	chain  chain // rows that are in no piece
	pieces []piece
	held   int64 // bytes of pieces
}

// piece is rows that were framed by themselves.
type piece struct {
	framed []byte
	raw    int64
	rows   int64
	own    bool // as a file has it; else in Snappy
}

// store adds a row.
func (b *buffer) store(row []byte) {
	b.rows++
	b.lot.count(b.lot.cells.add(&b.chain, row))
}

// hold frames the rows, if that is worth it. They stay in memory until the pack is written. It must be called at the end of a
// record. It returns tmp, longer if need be.
func (b *buffer) hold(tmp []byte) ([]byte, error) {
	if b.chain.n < pack.OwnBytes {
		return tmp, nil
	}
	tmp = b.chain.bytes(tmp[:0])
	own := b.shared.join == nil || len(tmp) >= b.shared.join.BlockBytes()
	var framed []byte
	var err error
	if own {
		framed, err = b.framed(nil, tmp)
	} else {
		framed, err = pack.Snap(nil, tmp)
	}
	if err != nil {
		return tmp, retry.Stop(fmt.Errorf("sink: rows of %s for a pack: %w", b.Path, err))
	}
	b.pieces = append(b.pieces, piece{bytes.Clone(framed), int64(len(tmp)), b.rows, own})
	b.held += int64(len(framed))
	b.rows = 0
	b.lot.count(int64(len(framed)) - b.lot.cells.drop(&b.chain))
	return tmp, nil
}

// forget drops what waits for a pack.
func (b *buffer) forget() {
	b.lot.count(-b.held - b.lot.cells.drop(&b.chain))
	b.pieces, b.held, b.rows = nil, 0, 0
}

// count adds to what waits for packs.
func (l *lot) count(n int64) {
	if n != 0 {
		l.packs.Add(n)
		l.bytes.Add(n)
	}
}

// take adds a worker's buffer.
func (p *packer) take(b *buffer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.buffers = append(p.buffers, b)
}

// finish makes the pack of what is left. No worker may be writing.
func (p *packer) finish(ctx context.Context) error {
	defer p.free()
	return p.write(ctx, p.buffers)
}

func (p *packer) free() {
	for _, b := range p.buffers {
		b.free()
	}
	p.buffers = nil
}

// write makes a pack of some buffers and empties them. Nobody may be writing to them.
func (p *packer) write(ctx context.Context, buffers []*buffer) error {
	buffers = inOrder(buffers)
	if len(buffers) == 0 {
		return nil
	}
	p.set.budget.Add(packingBytes)
	defer p.set.budget.Add(-packingBytes)
	out, err := p.set.begin(ctx, &p.folder)
	if err != nil {
		return err
	}
	head := pack.Head{Ext: p.shared.ext, Codec: p.shared.codec.Ext(), Header: buffers[0].head.Header(nil)}
	if p.shared.join != nil {
		head.Join = p.shared.join.Name()
	}
	w := pack.NewWriter(writing{out}, head)
	var tmp []byte
	for _, b := range buffers {
		var rows int64
		if rows, tmp, err = b.pack(w, tmp); err != nil {
			return fmt.Errorf("sink: write %s: %w", out.file.Key, err)
		}
		out.file.Rows += rows
	}
	contents, offset, err := w.Close()
	if err != nil {
		return fmt.Errorf("sink: write %s: %w", out.file.Key, err)
	}
	out.file.Contents = &Contents{Offset: offset, Length: int64(len(contents)), CRC32C: crc32.Checksum(contents, castagnoli)}
	return p.set.close(ctx, out)
}

// inOrder returns the buffers that have rows, in the order of a pack: of slots, then of key paths; those of one path stay in their
// order. Most of the order is that of the slots, and so is had without comparing.
func inOrder(buffers []*buffer) []*buffer {
	var first [pack.Slots + 1]int // by slot: where its buffers begin
	for _, b := range buffers {
		if b.rows > 0 || len(b.pieces) > 0 {
			first[b.Slot+1]++
		}
	}
	for s := range pack.Slots {
		first[s+1] += first[s]
	}
	sorted := make([]*buffer, first[pack.Slots])
	next := first
	for _, b := range buffers {
		if b.rows > 0 || len(b.pieces) > 0 {
			sorted[next[b.Slot]] = b
			next[b.Slot]++
		}
	}
	for s := range pack.Slots {
		slices.SortStableFunc(sorted[first[s]:first[s+1]], func(a, b *buffer) int { return strings.Compare(a.Path, b.Path) })
	}
	return sorted
}

// writing writes to a part.
type writing struct{ to *part }

func (w writing) Write(b []byte) (int, error) { return len(b), w.to.write(b) }

// pack moves the rows of b to a pack. It returns tmp, longer if need be.
func (b *buffer) pack(w *pack.Writer, tmp []byte) (int64, []byte, error) {
	tmp, err := b.hold(tmp)
	if err != nil {
		return 0, tmp, err
	}
	rows := b.rows
	for _, p := range b.pieces {
		rows += p.rows
		add := w.Snapped
		if p.own {
			add = w.Copy
		}
		if err := add(b.Key, p.framed, p.raw, p.rows); err != nil {
			return 0, tmp, err
		}
	}
	if b.rows > 0 {
		tmp = b.chain.bytes(tmp[:0])
		if err := w.Add(b.Key, tmp, b.rows); err != nil {
			return 0, tmp, err
		}
	}
	b.forget()
	return rows, tmp, nil
}
