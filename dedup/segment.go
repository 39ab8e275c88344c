package dedup

import "math/bits"

// slot is a place for a hash; a zero tag, the lowest byte of hi, is a place never used.
type slot struct{ lo, hi uint64 }

// segment is an open-addressing table with linear probing: four places a cache line, nothing in it a pointer.
type segment struct {
	slots []slot
	used  int // places with a tag, dead ones too
}

// init gives segment i of the table its first size. Sizes are spread over a factor of four thirds, by which
// segments grow, so that at any time some are just grown and some nearly full.
func (s *segment) init(i int) { s.slots = make([]slot, 30+10*i/segments) }

func (s *segment) home(at uint64) int {
	i, _ := bits.Mul64(at, uint64(len(s.slots)))
	return int(i)
}

func (s *segment) full() bool { return s.used*4 >= len(s.slots)*3 }

// find returns the place of k, or the one where it belongs: a dead one on the way if there is one.
func (s *segment) find(k key, tags *tags) (at int, found bool) {
	free := -1
	for i := s.home(k.at); ; {
		e := &s.slots[i]
		tag := uint8(e.hi)
		if tag == 0 {
			if free >= 0 {
				return free, false
			}
			return i, false
		}
		if tags.dead[tag] {
			if free < 0 {
				free = i
			}
		} else if e.lo == k.lo && e.hi&^0xff == k.hi {
			return i, true
		}
		if i++; i == len(s.slots) {
			i = 0
		}
	}
}

func (s *segment) put(i int, k key, tag uint8) {
	if uint8(s.slots[i].hi) == 0 {
		s.used++
	}
	s.slots[i] = slot{k.lo, k.hi | uint64(tag)}
}

// rebuild leaves the dead out and chooses the size by what is alive.
func (s *segment) rebuild(tags *tags, t *memTable) {
	live := 0
	for i := range s.slots {
		if tag := uint8(s.slots[i].hi); tag != 0 && !tags.dead[tag] {
			live++
		}
	}
	n := len(s.slots)
	for live*8 > n*5 {
		n += n / 3
	}
	for n > 64 && live*5 < n*2 {
		n -= n / 4
	}
	old := s.slots
	s.slots, s.used = make([]slot, n), live
	for i := range old {
		e := old[i]
		tag := uint8(e.hi)
		if tag == 0 || tags.dead[tag] {
			continue
		}
		e.hi &^= 0xff
		a, b := bits.Mul64(e.lo^t.seed0, e.hi^t.seed1)
		j := s.home(a ^ b)
		for uint8(s.slots[j].hi) != 0 {
			if j++; j == n {
				j = 0
			}
		}
		s.slots[j] = slot{e.lo, e.hi | uint64(tag)}
	}
}
