package ledger

import "math/bits"

// The range coder of LZMA, with its probabilities of 11 bits that move by a 32nd: a bit that is foreseen costs little. See
// docs/format.md.

const probabilityInit = 1 << 10

type rangeEncoder struct {
	out     []byte
	low     uint64
	width   uint32
	cache   byte
	pending int // bytes that a carry may still change, cache among them
}

func newRangeEncoder() *rangeEncoder { return &rangeEncoder{width: 1<<32 - 1, pending: 1} }

func (e *rangeEncoder) bit(p *uint16, bit uint32) {
	bound := e.width >> 11 * uint32(*p)
	if bit == 0 {
		e.width = bound
		*p += (1<<11 - *p) >> 5
	} else {
		e.low += uint64(bound)
		e.width -= bound
		*p -= *p >> 5
	}
	for e.width < 1<<24 {
		e.width <<= 8
		e.shift()
	}
}

func (e *rangeEncoder) shift() {
	if uint32(e.low) < 0xff000000 || e.low>>32 != 0 {
		for carry := byte(e.low >> 32); e.pending > 0; e.pending-- {
			e.out = append(e.out, e.cache+carry)
			e.cache = 0xff
		}
		e.cache = byte(e.low >> 24)
	}
	e.pending++
	e.low = uint64(uint32(e.low) << 8)
}

// end returns the code without its first byte, which is always zero, and without zeros at its end, which a decoder adds.
func (e *rangeEncoder) end() []byte {
	for range 5 {
		e.shift()
	}
	out := e.out[1:]
	for len(out) > 0 && out[len(out)-1] == 0 {
		out = out[:len(out)-1]
	}
	return out
}

type rangeDecoder struct {
	in    []byte
	code  uint32
	width uint32
}

func newRangeDecoder(in []byte) *rangeDecoder {
	d := &rangeDecoder{in: in, width: 1<<32 - 1}
	for range 4 {
		d.next()
	}
	return d
}

func (d *rangeDecoder) next() {
	d.code <<= 8
	if len(d.in) > 0 {
		d.code |= uint32(d.in[0])
		d.in = d.in[1:]
	}
}

func (d *rangeDecoder) bit(p *uint16) uint32 {
	bound, bit := d.width>>11*uint32(*p), uint32(0)
	if d.code < bound {
		d.width = bound
		*p += (1<<11 - *p) >> 5
	} else {
		d.code -= bound
		d.width -= bound
		*p -= *p >> 5
		bit = 1
	}
	for d.width < 1<<24 {
		d.width <<= 8
		d.next()
	}
	return bit
}

// runModel has the probabilities of the lengths of runs, of zeros and of ones: of the number of bits, in unary, and of the
// two bits after the first.
type runModel [2]struct {
	length [33]uint16
	top    [33][4]uint16
}

func newRunModel() *runModel {
	m := new(runModel)
	for i := range m {
		for k := range m[i].length {
			m[i].length[k] = probabilityInit
			for n := range m[i].top[k] {
				m[i].top[k][n] = probabilityInit
			}
		}
	}
	return m
}

func (m *runModel) encode(e *rangeEncoder, kind int, v uint32) {
	k := bits.Len32(v) - 1
	for i := range k {
		e.bit(&m[kind].length[i], 1)
	}
	e.bit(&m[kind].length[k], 0)
	node := 1
	for i := k - 1; i >= 0; i-- {
		bit := v >> i & 1
		if i < k-2 {
			half := uint16(probabilityInit)
			e.bit(&half, bit)
			continue
		}
		e.bit(&m[kind].top[k][node], bit)
		node = node<<1 | int(bit)
	}
}

func (m *runModel) decode(d *rangeDecoder, kind int) (uint32, bool) {
	k := 0
	for ; d.bit(&m[kind].length[k]) == 1; k++ {
		if k == 31 {
			return 0, false
		}
	}
	v, node := uint32(1), 1
	for i := k - 1; i >= 0; i-- {
		var bit uint32
		if i < k-2 {
			half := uint16(probabilityInit)
			bit = d.bit(&half)
		} else {
			bit = d.bit(&m[kind].top[k][node])
			node = node<<1 | int(bit)
		}
		v = v<<1 | bit
	}
	return v, true
}

// encodeRuns codes ascending numbers as the lengths of runs: in turn of numbers that are missing and of those that are
// there.
func encodeRuns(numbers []uint32) []byte {
	if len(numbers) == 0 {
		return nil
	}
	e, m := newRangeEncoder(), newRunModel()
	next, more := uint32(0), uint32(1) // the first run may be empty
	for i := 0; i < len(numbers); {
		m.encode(e, 0, numbers[i]-next+more)
		n := 1
		for i+n < len(numbers) && numbers[i+n] == numbers[i]+uint32(n) {
			n++
		}
		m.encode(e, 1, uint32(n))
		next, more = numbers[i]+uint32(n), 0
		i += n
	}
	return e.end()
}

// decodeRuns appends count numbers to out; false if in does not have them.
func decodeRuns(out []uint32, in []byte, count int) ([]uint32, bool) {
	d, m := newRangeDecoder(in), newRunModel()
	next, more := uint64(0), uint64(1)
	for count > 0 {
		zeros, ok := m.decode(d, 0)
		if !ok {
			return nil, false
		}
		ones, ok := m.decode(d, 1)
		next += uint64(zeros) - more
		if !ok || int64(ones) > int64(count) || next+uint64(ones) > 1<<32-1 {
			return nil, false
		}
		for range ones {
			out = append(out, uint32(next))
			next++
		}
		more = 0
		count -= int(ones)
	}
	return out, true
}
