package dedup

import "math/bits"

// slot is a place for a hash; a zero tag, the lowest bits of hi, is a place never used.
type slot struct{ lo, hi uint64 }

// segment is an open-addressing table with linear probing: four places a cache line, nothing in it a pointer.
type segment struct {
	slots []slot
	used  int // places with a tag, dead ones too
}

// init gives segment i of the table its first size. Sizes vary by a factor of three halves, by which segments grow. So at
// any time some have just grown and some are nearly full.
func (s *segment) init(i int) { s.slots = make([]slot, 32+16*i/segments) }

func (s *segment) full() bool { return s.used*4 >= len(s.slots)*3 }

func (s *segment) home(at uint64) int {
	i, _ := bits.Mul64(at, uint64(len(s.slots)))
	return int(i)
}

// find returns the place of k. If k is missing it returns where k belongs: the first dead place on the way, if there is
// one.
func (s *segment) find(k key, tags *tags) (at int, found bool) {
	free := -1
	for i := s.home(k.at); ; {
		e := &s.slots[i]
		tag := e.hi & tagMask
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
		} else if e.lo == k.lo && e.hi&^tagMask == k.hi {
			return i, true
		}
		if i++; i == len(s.slots) {
			i = 0
		}
	}
}

func (s *segment) put(i int, k key, tag uint16) {
	if s.slots[i].hi&tagMask == 0 {
		s.used++
	}
	s.slots[i] = slot{k.lo, k.hi | uint64(tag)}
}

// rebuild drops the dead hashes and sets the size so that half to two thirds of the places are alive. So 16 bytes a place
// are at most 32 an ID. If the size stays, as where as many IDs come as go, it works in place.
func (s *segment) rebuild(tags *tags, t *memTable) {
	live := 0
	for i := range s.slots {
		if tag := s.slots[i].hi & tagMask; tag != 0 && !tags.dead[tag] {
			live++
		}
	}
	s.used = live
	n := len(s.slots)
	for live*3 > n*2 {
		n += n / 2
	}
	for n > 64 && live*2 < n {
		n -= n / 5
	}
	if n == len(s.slots) {
		s.purge(tags, t)
		return
	}
	old := s.slots
	s.slots = make([]slot, n)
	for i := range old {
		if tag := old[i].hi & tagMask; tag != 0 && !tags.dead[tag] {
			s.move(old[i], t)
		}
	}
}

// purge takes each hash out and puts it back, nearer to its home if the dead on the way are gone. It begins after a place
// that was never used, which no search passes. So each hash finds room at its own old place at the latest.
func (s *segment) purge(tags *tags, t *memTable) {
	start := 0
	for s.slots[start].hi&tagMask != 0 {
		start++
	}
	for _, part := range [...][]slot{s.slots[start:], s.slots[:start]} {
		for i := range part {
			old := part[i]
			part[i] = slot{}
			if tag := old.hi & tagMask; tag != 0 && !tags.dead[tag] {
				s.move(old, t)
			}
		}
	}
}

// move puts a hash that is nowhere, with its tag, into the first place never used.
func (s *segment) move(e slot, t *memTable) {
	a, b := bits.Mul64(e.lo^t.seed0, e.hi&^tagMask^t.seed1)
	i := s.home(a ^ b)
	for s.slots[i].hi&tagMask != 0 {
		if i++; i == len(s.slots) {
			i = 0
		}
	}
	s.slots[i] = e
}
