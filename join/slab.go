package join

import "github.com/onceflow/onceflow/stream/record"

// ref names a pending event in its slab; none is no event.
type ref uint32

const none ref = 0

type state uint8

const (
	waiting state = iota // in its timer bucket
	due                  // in the heap of timers that are nearly due
	gone                 // matched while in that heap, which drops it later
)

// pending is an event that waits, and its places in the two lists it is in.
type pending[T any] struct {
	ev           record.Event[T]
	older, newer ref // the two sides of it in the tree of its key and side
	prev, next   ref // in its timer bucket
	hash         uint32
	right        bool
	timer        uint8 // index of timers.delay
	state        state
}

const chunkLen = 256

// slab holds pending events by small numbers, so that lists and tables of them need no pointers. It grows and shrinks by
// chunks and never copies an event.
type slab[T any] struct {
	chunks []chunk[T]
	room   []uint32 // chunks with a free place; the last one is used next
	idle   int      // chunks that are empty and have their memory
	live   int
}

type chunk[T any] struct {
	at     *[chunkLen]pending[T]
	free   ref // first of the places given back, linked by next
	used   int // places handed out at least once since at was made
	live   int
	inRoom bool
}

func (s *slab[T]) get(r ref) *pending[T] { return &s.chunks[r/chunkLen].at[r%chunkLen] }

// add makes place for an event. The pointer is valid until remove.
func (s *slab[T]) add() (ref, *pending[T]) {
	if len(s.room) == 0 {
		s.room = append(s.room, uint32(len(s.chunks)))
		s.chunks = append(s.chunks, chunk[T]{inRoom: true})
	}
	n := s.room[len(s.room)-1]
	c := &s.chunks[n]
	switch {
	case c.at == nil:
		c.at, c.free, c.used = new([chunkLen]pending[T]), none, 0
	case c.live == 0:
		s.idle--
	}
	r := c.free
	if r != none {
		c.free = s.get(r).next
	} else {
		if n == 0 && c.used == 0 {
			c.used = 1 // place 0 is none
		}
		r = ref(n)*chunkLen + ref(c.used)
		c.used++
	}
	if c.free == none && c.used == chunkLen {
		c.inRoom = false
		s.room = s.room[:len(s.room)-1]
	}
	c.live++
	s.live++
	p := s.get(r)
	*p = pending[T]{}
	return r, p
}

// remove frees the place of r. Of the chunks that are empty it keeps one and frees the memory of the others.
func (s *slab[T]) remove(r ref) {
	n := uint32(r / chunkLen)
	c := &s.chunks[n]
	p := s.get(r)
	*p = pending[T]{next: c.free} // lets go of what the event points to
	c.free = r
	c.live--
	s.live--
	if !c.inRoom {
		c.inRoom = true
		s.room = append(s.room, n)
	}
	if c.live > 0 {
		return
	}
	if s.idle > 0 {
		c.at = nil
		return
	}
	s.idle++
}
