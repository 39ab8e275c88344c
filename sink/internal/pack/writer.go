package pack

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"

	"github.com/klauspost/compress/s2"
)

const (
	// segmentBytes of rows end a segment at the next slot. A reader of one key reads at least a segment, and a merge has one of
	// each pack in memory.
	segmentBytes = 64 << 10

	// longSegment of rows end a segment in the middle of a slot, and of a group.
	longSegment = 4 << 20

	// blockBytes of rows end a shared block. A reader of one key decompresses at least one, and a merge has one of each pack
	// decompressed. Blocks of 64 KiB would make packs 4 % smaller, blocks of 16 KiB 7 % larger.
	blockBytes = 32 << 10

	// OwnBytes of rows are worth a block of their own, in the codec of files.
	OwnBytes = 128 << 10
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Writer writes a pack. It keeps one segment in memory. It is not safe for concurrent use.
type Writer struct {
	w     io.Writer
	all   Contents
	at    int64
	slot  int    // of the last piece
	path  string // of the last piece
	begun bool

	seg    segment
	shared []byte // rows of the shared block under way
	index  []byte
	tmp    []byte
}

// segment is the segment under way.
type segment struct {
	first  int
	groups []Group
	pieces []Piece // of all groups
	from   int     // the first piece of the last group
	blocks []Block
	data   []byte
	raw    int64
	rows   int64
}

// NewWriter returns a Writer.
func NewWriter(w io.Writer, head Head) *Writer {
	return &Writer{w: w, all: Contents{Head: head, List: []Place{}}}
}

// Add appends a piece: n rows of a key path, which end at the end of a record. Pieces come in the order of slots, then of
// paths; further ones of a path follow it.
func (w *Writer) Add(key Key, rows []byte, n int64) error {
	if err := w.piece(key, Piece{Raw: int64(len(rows)), Rows: n}); err != nil {
		return err
	}
	w.shared = append(w.shared, rows...)
	if len(w.shared) < blockBytes {
		return nil
	}
	return w.endShared()
}

// Copy is Add for rows that were compressed or framed by themselves, as a file has them. They had raw bytes, at least one.
func (w *Writer) Copy(key Key, framed []byte, raw, n int64) error {
	return w.alone(key, framed, Piece{Raw: raw, Rows: n, Own: true})
}

// Snapped is Add for rows that Snap has compressed, of raw bytes, at least one.
func (w *Writer) Snapped(key Key, block []byte, raw, n int64) error {
	return w.alone(key, block, Piece{Raw: raw, Rows: n})
}

// alone appends a piece that has a block for itself.
func (w *Writer) alone(key Key, block []byte, p Piece) error {
	if err := w.endShared(); err != nil {
		return err
	}
	if err := w.piece(key, p); err != nil {
		return err
	}
	at := len(w.seg.data)
	w.seg.data = append(w.seg.data, block...)
	w.block(at, p.Raw, p.Own)
	return nil
}

// piece begins a piece, and ends the segment if that is long enough.
func (w *Writer) piece(key Key, p Piece) error {
	path, slot := key.Path, key.Slot
	if w.begun && (slot < w.slot || slot == w.slot && path < w.path) {
		return fmt.Errorf("pack: %q does not come behind %q", path, w.path)
	}
	if w.seg.raw >= longSegment || w.begun && slot != w.slot && w.seg.raw >= segmentBytes {
		if err := w.endSegment(); err != nil {
			return err
		}
	}
	if len(w.seg.groups) == 0 {
		w.seg.first = slot
	}
	if g := w.seg.groups; len(g) == 0 || g[len(g)-1].Path != path {
		w.seg.groups = append(g, Group{Path: path})
		w.seg.from = len(w.seg.pieces)
	}
	w.seg.pieces = append(w.seg.pieces, p)
	w.seg.groups[len(w.seg.groups)-1].Pieces = w.seg.pieces[w.seg.from:]
	w.slot, w.path, w.begun = slot, path, true
	w.seg.raw += p.Raw
	w.seg.rows += p.Rows
	return nil
}

// block notes what was appended to the data from at on.
func (w *Writer) block(at int, raw int64, own bool) {
	b := w.seg.data[at:]
	w.seg.blocks = append(w.seg.blocks, Block{Bytes: int64(len(b)), Raw: raw, Own: own, CRC32C: crc32.Checksum(b, castagnoli)})
}

// endShared ends the shared block. An empty piece needs none.
func (w *Writer) endShared() error {
	if len(w.shared) == 0 {
		return nil
	}
	var err error
	if w.tmp, err = Snap(w.tmp, w.shared); err != nil {
		return err
	}
	at := len(w.seg.data)
	w.seg.data = append(w.seg.data, w.tmp...)
	w.block(at, int64(len(w.shared)), false)
	w.shared = w.shared[:0]
	return nil
}

// Snap compresses rows as shared blocks are, into the memory of dst if that is enough.
func Snap(dst, rows []byte) ([]byte, error) {
	if s2.MaxEncodedLen(len(rows)) < 0 {
		return nil, errors.New("pack: a block is too long")
	}
	return s2.EncodeSnappy(dst[:cap(dst)], rows), nil
}

func (w *Writer) endSegment() error {
	if err := w.endShared(); err != nil {
		return err
	}
	w.index = encodeIndex(w.index[:0], w.seg.groups, w.seg.blocks)
	index := w.index
	p := Place{
		First: w.seg.first, Last: w.slot, Offset: w.at, Index: int64(len(index)), Bytes: int64(len(w.seg.data)), Raw: w.seg.raw, Rows: w.seg.rows,
		CRC32C: crc32.Checksum(index, castagnoli),
	}
	for _, b := range [][]byte{index, w.seg.data} {
		if _, err := w.w.Write(b); err != nil {
			return err
		}
	}
	w.all.List = append(w.all.List, p)
	w.at = p.End()
	w.seg = segment{groups: w.seg.groups[:0], pieces: w.seg.pieces[:0], blocks: w.seg.blocks[:0], data: w.seg.data[:0]}
	return nil
}

// Close writes the rest. It returns the pack's Contents as they were written, and their place.
func (w *Writer) Close() (contents []byte, offset int64, err error) {
	if len(w.seg.groups) > 0 {
		if err := w.endSegment(); err != nil {
			return nil, 0, err
		}
	}
	b, err := w.all.Encode()
	if err != nil {
		return nil, 0, err
	}
	_, err = w.w.Write(b)
	return b, w.at, err
}

// Compare compares two key paths as Add wants them.
func Compare(a, b string) int {
	if sa, sb := Slot(a), Slot(b); sa != sb {
		return sa - sb
	}
	return strings.Compare(a, b)
}
