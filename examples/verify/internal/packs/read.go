package packs

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/snappy"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Piece is some rows of one key path.
type Piece struct {
	Path string
	Slot int
	Raw  int64  // length of the rows
	Rows int64  // how many there should be
	Body []byte // the rows, until the call returns; nil if their codec is not known
}

// SlotOf is the slot of a key path.
func SlotOf(path string) int {
	sum := sha256.Sum256([]byte(path))
	return int(sum[0])
}

// Decompress opens what a codec has compressed, if it knows it by its extension without the dot; "" is none.
type Decompress func(codec string, r io.Reader) (plain io.ReadCloser, known bool, err error)

// Read reads the segments from r, which begins with the first one, and calls each for all pieces in their order.
func (c *Contents) Read(r io.Reader, open Decompress, each func(Piece) error) error {
	last := place{slot: -1}
	for i := range c.Segments {
		s := &c.Segments[i]
		index := make([]byte, s.Index)
		if _, err := io.ReadFull(r, index); err != nil {
			return err
		}
		if crc := crc32.Checksum(index, castagnoli); crc != s.CRC32C {
			return fmt.Errorf("segment %d: the CRC-32C of its list is %08x, and should be %08x", i, crc, s.CRC32C)
		}
		l, err := parseList(index)
		if err != nil {
			return fmt.Errorf("segment %d: its list of groups: %w", i, err)
		}
		if err := l.check(s, last); err != nil {
			return fmt.Errorf("segment %d: %w", i, err)
		}
		end := l.groups[len(l.groups)-1].path
		last = place{SlotOf(end), end}
		b := &blocks{in: r, open: open, codec: c.codec(), left: l.blocks}
		for _, g := range l.groups {
			for _, p := range g.pieces {
				body, err := b.piece(p)
				if err != nil {
					return fmt.Errorf("segment %d: key path %q: %w", i, g.path, err)
				}
				if err := each(Piece{g.path, SlotOf(g.path), p.raw, p.rows, body}); err != nil {
					return fmt.Errorf("segment %d: key path %q: %w", i, g.path, err)
				}
			}
		}
		if len(b.left) > 0 || len(b.rest) > 0 {
			return fmt.Errorf("segment %d: it has %d blocks and %d bytes that are of no piece", i, len(b.left), len(b.rest))
		}
	}
	return nil
}

// place is where a group comes in the order of all.
type place struct {
	slot int
	path string
}

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.slot, q.slot), cmp.Compare(p.path, q.path))
}

// check compares a list with what the contents say of its segment. The group with which it begins may be the last one of
// the segment before.
func (l *list) check(s *Segment, last place) error {
	if len(l.groups) == 0 {
		return errors.New("it has no groups")
	}
	var length, raw, count int64
	for _, b := range l.blocks {
		length += b.length
	}
	for i, g := range l.groups {
		p := place{SlotOf(g.path), g.path}
		if order := p.compare(last); order < 0 || order == 0 && i > 0 {
			return fmt.Errorf("its groups are not in order: %q follows %q", p.path, last.path)
		}
		if i == 0 && p.slot != s.First || i == len(l.groups)-1 && p.slot != s.Last {
			return fmt.Errorf("its slots are not those from %d through %d", s.First, s.Last)
		}
		if len(g.pieces) == 0 {
			return fmt.Errorf("%q has no rows", g.path)
		}
		for _, piece := range g.pieces {
			if piece.raw < 1 || piece.rows < 1 {
				return fmt.Errorf("%q has %d rows in %d bytes", g.path, piece.rows, piece.raw)
			}
			raw, count = raw+piece.raw, count+piece.rows
		}
		last = p
	}
	if length != s.Bytes || raw != s.Raw || count != s.Rows {
		return fmt.Errorf("its list has blocks of %d bytes with %d rows in %d bytes, and should have %d, %d and %d", length, count, raw, s.Bytes, s.Rows, s.Raw)
	}
	return nil
}

// blocks reads the blocks of a segment, one after the other.
type blocks struct {
	in    io.Reader
	open  Decompress
	codec string
	left  []block
	rest  []byte // of a block of several pieces
}

// piece returns the rows of the next piece.
func (b *blocks) piece(p piece) ([]byte, error) {
	if p.alone || len(b.rest) == 0 {
		if len(b.rest) > 0 || len(b.left) == 0 || b.left[0].alone != p.alone {
			return nil, errors.New("its piece is not in a block of its kind")
		}
		if err := b.next(); err != nil {
			return nil, err
		}
		if p.alone {
			body := b.rest
			b.rest = nil
			if body != nil && int64(len(body)) != p.raw {
				return nil, fmt.Errorf("its block has %d bytes of rows, and its piece %d", len(body), p.raw)
			}
			return body, nil
		}
	}
	if p.raw > int64(len(b.rest)) {
		return nil, errors.New("its piece goes on behind the end of a block")
	}
	body := b.rest[:p.raw]
	b.rest = b.rest[p.raw:]
	return body, nil
}

// next reads and decompresses a block. It leaves nothing of one whose codec is not known.
func (b *blocks) next() error {
	k := b.left[0]
	b.left = b.left[1:]
	body := make([]byte, k.length)
	if _, err := io.ReadFull(b.in, body); err != nil {
		return err
	}
	if crc := crc32.Checksum(body, castagnoli); crc != k.crc {
		return fmt.Errorf("the CRC-32C of a block is %08x, and should be %08x", crc, k.crc)
	}
	var plain []byte
	if !k.alone {
		n, err := snappy.DecodedLen(body)
		if err == nil && int64(n) == k.raw {
			plain, err = snappy.Decode(nil, body)
		}
		if err != nil {
			return fmt.Errorf("a block cannot be read: %w", err)
		}
	} else {
		r, known, err := b.open(b.codec, bytes.NewReader(body))
		if !known {
			b.rest = nil
			return nil
		}
		if err == nil {
			plain, err = io.ReadAll(io.LimitReader(r, k.raw+1))
			_ = r.Close()
		}
		if err != nil {
			return fmt.Errorf("a block cannot be read: %w", err)
		}
	}
	if int64(len(plain)) != k.raw {
		return fmt.Errorf("a block has not the %d bytes of rows that it should have", k.raw)
	}
	b.rest = plain
	return nil
}
