package packs

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// list is the list of groups at the beginning of a segment.
type list struct {
	blocks []block
	groups []group
}

// block is rows that were compressed together.
type block struct {
	length, raw int64
	alone       bool // one piece, in the codec of files
	crc         uint32
}

// group is the rows of a key path.
type group struct {
	path   string
	pieces []piece
}

// piece is some of them, up to the end of a record.
type piece struct {
	raw, rows int64
	alone     bool // in a block
}

// parser takes a list apart. The first fault ends it.
type parser struct {
	in  []byte
	err error
}

func (p *parser) number() int64 {
	n, size := binary.Uvarint(p.in)
	if size <= 0 || n > 1<<62 {
		p.fail("a number does not end, or is too large")
		return 0
	}
	p.in = p.in[size:]
	return int64(n)
}

func (p *parser) bytes(n int64) []byte {
	if n > int64(len(p.in)) {
		p.fail("it ends too early")
		return nil
	}
	b := p.in[:n]
	p.in = p.in[n:]
	return b
}

func (p *parser) fail(text string) {
	if p.err == nil {
		p.err = errors.New(text)
	}
	p.in = nil
}

// parseList reads the list of groups of a segment.
func parseList(in []byte) (*list, error) {
	p := &parser{in: in}
	l := new(list)
	for n := p.number(); n > 0 && p.err == nil; n-- {
		b := block{length: p.number()}
		raw := p.number()
		b.raw, b.alone = raw/2, raw%2 == 1
		if crc := p.bytes(4); crc != nil {
			b.crc = binary.LittleEndian.Uint32(crc)
		}
		l.blocks = append(l.blocks, b)
	}
	before := ""
	for n := p.number(); n > 0 && p.err == nil; n-- {
		shared := p.number()
		if shared > int64(len(before)) {
			p.fail("a key path shares more bytes with the one before than that has")
			break
		}
		g := group{path: before[:shared] + string(p.bytes(p.number()))}
		for k := p.number(); k > 0 && p.err == nil; k-- {
			raw := p.number()
			g.pieces = append(g.pieces, piece{raw: raw / 2, alone: raw%2 == 1, rows: p.number()})
		}
		before = g.path
		l.groups = append(l.groups, g)
	}
	if p.err == nil && len(p.in) > 0 {
		return nil, fmt.Errorf("%d bytes follow it", len(p.in))
	}
	return l, p.err
}
