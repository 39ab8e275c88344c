package pack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/klauspost/compress/s2"
)

// Group is the rows of one key path.
type Group struct {
	Path   string
	Pieces []Piece

	slot, from int // of a group that was read; its path's place among the others
}

// Piece is some rows of a group, which end at the end of a record.
type Piece struct {
	Raw  int64 // bytes of the rows before they were compressed
	Rows int64
	Own  bool // a block has it alone, as a part of a file that can be copied as it is
}

// Block is what was compressed in one piece: either a Piece that has it alone, or several that follow each other, in Snappy.
type Block struct {
	Bytes  int64
	Raw    int64
	Own    bool
	CRC32C uint32
}

// Segment is the list of a segment's groups.
type Segment struct {
	Groups []Group
	Blocks []Block
}

var errIndex = errors.New("pack: a segment's list of groups cannot be read")

// encodeIndex appends the list of groups as a segment begins: the number of blocks, for each its bytes, raw bytes doubled, plus
// one if a piece has it alone, and checksum; then the number of groups, for each how many bytes its path shares with the one
// before, the length of the rest, the rest, the number of pieces, and for each its raw bytes, doubled as a block's, and its
// rows. All numbers are unsigned varints but checksums, which have four bytes, the lowest first.
func encodeIndex(dst []byte, groups []Group, blocks []Block) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(blocks)))
	for i := range blocks {
		b := &blocks[i]
		dst = binary.AppendUvarint(dst, uint64(b.Bytes))
		dst = binary.AppendUvarint(dst, doubled(b.Raw, b.Own))
		dst = binary.LittleEndian.AppendUint32(dst, b.CRC32C)
	}
	dst = binary.AppendUvarint(dst, uint64(len(groups)))
	before := ""
	for i := range groups {
		g := &groups[i]
		same := 0
		for same < min(len(before), len(g.Path)) && before[same] == g.Path[same] {
			same++
		}
		dst = binary.AppendUvarint(dst, uint64(same))
		dst = binary.AppendUvarint(dst, uint64(len(g.Path)-same))
		dst = append(dst, g.Path[same:]...)
		dst = binary.AppendUvarint(dst, uint64(len(g.Pieces)))
		for _, p := range g.Pieces {
			dst = binary.AppendUvarint(dst, doubled(p.Raw, p.Own))
			dst = binary.AppendUvarint(dst, uint64(p.Rows))
		}
		before = g.Path
	}
	return dst
}

func doubled(n int64, odd bool) uint64 {
	d := uint64(n) << 1
	if odd {
		d++
	}
	return d
}

// DecodeSegment reads the list of groups with which the segment at p begins, and compares it with p.
func DecodeSegment(b []byte, p Place) (*Segment, error) {
	if int64(len(b)) != p.Index || crc32.Checksum(b, castagnoli) != p.CRC32C {
		return nil, fmt.Errorf("%w: it was damaged", errIndex)
	}
	d := decoder{b: b}
	s := &Segment{Blocks: make([]Block, d.count(6))}
	bytes := int64(0)
	for i := range s.Blocks {
		x := &s.Blocks[i]
		x.Bytes = d.number()
		x.Raw, x.Own = d.doubled()
		x.CRC32C = d.sum()
		bytes += x.Bytes
	}
	s.Groups = make([]Group, d.count(4))
	raw, rows, path := int64(0), int64(0), []byte{}
	paths := make([]byte, 0, 2*len(b))        // of all groups, so that they share one string
	pieces := make([]Piece, 0, len(s.Groups)) // of all groups: most have one
	for i := range s.Groups {
		g := &s.Groups[i]
		same := d.number()
		if same > int64(len(path)) {
			return nil, errIndex
		}
		path = append(path[:same], d.bytes(d.number())...)
		g.slot = slotOf(path)
		g.from = len(paths)
		paths = append(paths, path...)
		first := len(pieces)
		for range d.count(2) {
			q := Piece{}
			q.Raw, q.Own = d.doubled()
			q.Rows = d.number()
			raw += q.Raw
			rows += q.Rows
			pieces = append(pieces, q)
		}
		g.Pieces = pieces[first:len(pieces):len(pieces)]
	}
	if d.bad || len(d.b) > 0 || bytes != p.Bytes || raw != p.Raw || rows != p.Rows {
		return nil, errIndex
	}
	all, end := string(paths), len(paths)
	for i := len(s.Groups) - 1; i >= 0; i-- {
		g := &s.Groups[i]
		g.Path, end = all[g.from:end], g.from
	}
	return s, s.check()
}

// check compares the pieces with the blocks that have them.
func (s *Segment) check() error {
	next, left := 0, int64(0)
	for i := range s.Groups {
		if i > 0 && !s.Groups[i-1].before(&s.Groups[i]) {
			return fmt.Errorf("%w: groups are not in order", errIndex)
		}
		for _, p := range s.Groups[i].Pieces {
			if p.Own && left > 0 {
				return errIndex
			}
			if left == 0 && p.Raw > 0 {
				if next == len(s.Blocks) || s.Blocks[next].Own != p.Own {
					return errIndex
				}
				left = s.Blocks[next].Raw
				next++
			}
			if left -= p.Raw; left < 0 || p.Own && left != 0 {
				return errIndex
			}
		}
	}
	if left != 0 || next != len(s.Blocks) {
		return errIndex
	}
	return nil
}

func (g *Group) before(h *Group) bool { return g.slot < h.slot || g.slot == h.slot && g.Path < h.Path }

// decoder takes numbers from the beginning of b. What cannot be read is 0 and makes it bad.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) number() int64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 || v > maxObject {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return int64(v)
}

func (d *decoder) doubled() (int64, bool) {
	v := d.number()
	return v >> 1, v&1 == 1
}

// count is a number of things that take at least size bytes each.
func (d *decoder) count(size int) int64 {
	n := d.number()
	if n > int64(len(d.b)/size) {
		d.bad, d.b = true, nil
		return 0
	}
	return n
}

func (d *decoder) bytes(n int64) []byte {
	if n > int64(len(d.b)) {
		d.bad, d.b = true, nil
		return nil
	}
	p := d.b[:n]
	d.b = d.b[n:]
	return p
}

func (d *decoder) sum() uint32 {
	if p := d.bytes(4); p != nil {
		return binary.LittleEndian.Uint32(p)
	}
	return 0
}

var errBlock = errors.New("pack: a block was damaged")

// stored returns the block with which data begins, after it has compared its checksum.
func (b *Block) stored(data []byte) ([]byte, error) {
	if int64(len(data)) < b.Bytes {
		return nil, fmt.Errorf("%w: it has %d bytes, and %d were read", errBlock, b.Bytes, len(data))
	}
	if data = data[:b.Bytes]; crc32.Checksum(data, castagnoli) != b.CRC32C {
		return nil, fmt.Errorf("%w: its checksum is another one", errBlock)
	}
	return data, nil
}

// maxRatio is more than any block of Snappy grows when it is decompressed.
const maxRatio = 64

func unsnap(dst, b []byte, raw int64) ([]byte, error) {
	if n, err := s2.DecodedLen(b); err != nil || int64(n) != raw || n/maxRatio > len(b) {
		return nil, fmt.Errorf("%w: it has not the %d bytes that the list says", errBlock, raw)
	}
	out, err := s2.Decode(dst[:cap(dst)], b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBlock, err)
	}
	return out, nil
}
