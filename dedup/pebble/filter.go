package pebble

import (
	"encoding/binary"

	"github.com/onceflow/onceflow/dedup"
)

// filter says which IDs a bucket certainly does not have. It is a split block Bloom filter, as in the Parquet format, with
// 256-bit blocks and 8 bits an ID. It begins small, since late events make buckets with few IDs. Next comes a part as large
// as a usual bucket, then parts of twice the size. Each part that is searched costs a cache miss. At 16 bits an ID it takes
// about one new ID in 1,000 for a known one.
type filter struct {
	parts []part
	ids   int
}

type part struct {
	blocks []block
	room   int // IDs that still fit
}

type block [4]uint64

const (
	firstPart = 1 << 13 // IDs
	bitsPerID = 16
)

// mask is an ID in a filter: its bits in a block, and the choice of the block.
type mask struct {
	bits block
	at   uint64
}

var salt = [8]uint32{0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d, 0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31}

func maskOf(id *dedup.ID) mask {
	x := uint32(binary.LittleEndian.Uint64(id[8:]))
	m := mask{at: binary.LittleEndian.Uint64(id[:8])}
	for i, s := range salt {
		m.bits[i/2] |= 1 << (x*s>>27 + uint32(i%2)*32)
	}
	return m
}

func (p *part) block(m *mask) *block { return &p.blocks[m.at%uint64(len(p.blocks))] }

func (f *filter) has(m *mask) bool {
	for i := range f.parts {
		b := f.parts[i].block(m)
		if b[0]&m.bits[0] == m.bits[0] && b[1]&m.bits[1] == m.bits[1] &&
			b[2]&m.bits[2] == m.bits[2] && b[3]&m.bits[3] == m.bits[3] {
			return true
		}
	}
	return false
}

// add puts an ID in. usual is how many a bucket has.
func (f *filter) add(m *mask, usual int) {
	if n := len(f.parts); n == 0 || f.parts[n-1].room == 0 {
		ids := firstPart << n
		if n > 0 {
			ids = max(ids, usual+usual/8-f.ids)
		}
		f.parts = append(f.parts, part{blocks: make([]block, ids*bitsPerID/256), room: ids})
	}
	f.ids++
	p := &f.parts[len(f.parts)-1]
	p.room--
	b := p.block(m)
	for i := range b {
		b[i] |= m.bits[i]
	}
}
