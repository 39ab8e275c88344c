package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// decoder is the range decoder of docs/format.md.
type decoder struct {
	in          []byte
	code, width uint32
}

func (d *decoder) shift() {
	d.code <<= 8
	if len(d.in) > 0 {
		d.code, d.in = d.code|uint32(d.in[0]), d.in[1:]
	}
}

func (d *decoder) bit(p *uint32) (bit uint32) {
	bound := (d.width >> 11) * *p
	if d.code < bound {
		d.width, *p = bound, *p+(2048-*p)/32
	} else {
		d.width, d.code, *p, bit = d.width-bound, d.code-bound, *p-*p/32, 1
	}
	for d.width < 1<<24 {
		d.width <<= 8
		d.shift()
	}
	return bit
}

// model are the probabilities for runs of one kind, made when they are first used.
type model map[[3]uint32]*uint32

func (m model) at(what, k, node uint32) *uint32 {
	key := [3]uint32{what, k, node}
	if m[key] == nil {
		m[key] = new(uint32)
		*m[key] = 1024
	}
	return m[key]
}

func (m model) length(d *decoder) (n uint64, err error) {
	k := uint32(0)
	for d.bit(m.at(0, k, 0)) == 1 {
		if k++; k > 31 {
			return 0, errors.New("a run is too long")
		}
	}
	n = 1
	node := uint32(1)
	for i := range k {
		p := uint32(1024)
		at := &p
		if i < 2 {
			at = m.at(1, k, node)
		}
		b := d.bit(at)
		node = 2*node + b
		n = 2*n + uint64(b)
	}
	return n, nil
}

// numbers are the count numbers that in has as lengths of runs.
func numbers(in []byte, count int64) (out []uint64, err error) {
	if count < 0 || count > maxPending {
		return nil, fmt.Errorf("%d numbers", count)
	}
	d := &decoder{in: in, width: 1<<32 - 1}
	for range 4 {
		d.shift()
	}
	zeros, ones := model{}, model{}
	at := uint64(0)
	for first := true; count > 0; first = false {
		skip, err := zeros.length(d)
		if err != nil {
			return nil, err
		}
		if first {
			skip--
		}
		n, err := ones.length(d)
		if err != nil {
			return nil, err
		}
		if int64(n) > count {
			return nil, errors.New("a run has more numbers than there are")
		}
		at += skip
		for range n {
			out = append(out, at)
			at++
		}
		count -= int64(n)
	}
	return out, nil
}

// pendingStep is how a pending set differs from the one before it.
type pendingStep struct {
	First    string `json:"first"`
	Through  uint64 `json:"through"`
	Count    int64  `json:"count"`
	Shift    uint64 `json:"shift,omitempty"`
	Gone     int64  `json:"gone,omitempty"`
	GoneRuns []byte `json:"gone_runs,omitempty"`
	More     int64  `json:"more,omitempty"`
	MoreRuns []byte `json:"more_runs,omitempty"`
	CRC32C   uint32 `json:"crc32c"`
}

// from returns the set that follows base.
func (s *pendingStep) from(base *pending) (*pending, error) {
	if base == nil {
		return nil, errors.New("a step of a pending set, and nothing was pending before")
	}
	before, err := base.ordinals()
	gone, err2 := numbers(s.GoneRuns, s.Gone)
	more, err3 := numbers(s.MoreRuns, s.More)
	if err := errors.Join(err, err2, err3); err != nil {
		return nil, err
	}
	h := &pending{First: s.First, Through: s.Through, Count: s.Count}
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	put := func(n uint64) {
		h.set = append(h.set, n-s.Shift)
		_ = binary.Write(sum, binary.LittleEndian, uint32(n-s.Shift))
	}
	for i, n := range before {
		if len(gone) > 0 && gone[0] == uint64(i) {
			gone = gone[1:]
		} else {
			put(n)
		}
	}
	for _, n := range more {
		put(base.Through + n)
	}
	if len(gone) > 0 || int64(len(h.set)) != s.Count || sum.Sum32() != s.CRC32C {
		return nil, errors.New("a step of a pending set does not fit the set before it")
	}
	return h, nil
}
