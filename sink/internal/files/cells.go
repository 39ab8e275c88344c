package files

import "sync"

const (
	// cellBytes of rows are in a cell. A buffer wastes half a cell on average, and thousands of buffers are open at once.
	cellBytes = 248

	// slabCells are taken at once. With its link a cell has 256 bytes.
	slabCells = 256
	slabBytes = slabCells * (cellBytes + 8)
)

// cell is a piece of a chain.
type cell struct {
	next *cell
	rows [cellBytes]byte
}

// slab is cells that are allocated together.
type slab [slabCells]cell

func newSlab() any { return new(slab) }

// cells are the memory for rows that wait for a pack. Slices that grow with the rows of thousands of keys are half empty,
// and leave as much garbage again. Only one worker adds to them at a time, but any number may drop chains at once if nobody adds.
type cells struct {
	slabs *sync.Pool // those that no transaction uses; the collector frees them if none does for a while

	mu    sync.Mutex // a leaf
	free  *cell
	used  int // cells in chains
	taken []*slab
}

// chain is the rows of a buffer. Its zero value has none.
type chain struct {
	first, last *cell
	n           int // bytes
}

// add appends rows to a chain. It returns by how many bytes c has grown.
func (c *cells) add(to *chain, rows []byte) (grown int64) {
	for len(rows) > 0 {
		at := to.n % cellBytes
		if at == 0 {
			if c.free == nil {
				c.grow()
				grown += slabBytes
			}
			x := c.free
			c.free, x.next = x.next, nil
			c.used++
			if to.last == nil {
				to.first = x
			} else {
				to.last.next = x
			}
			to.last = x
		}
		n := copy(to.last.rows[at:], rows)
		rows = rows[n:]
		to.n += n
	}
	return grown
}

func (c *cells) grow() {
	s := c.slabs.Get().(*slab)
	c.taken = append(c.taken, s)
	for i := range s {
		s[i].next, c.free = c.free, &s[i]
	}
}

// drop empties a chain. It returns by how many bytes c has shrunk: all of them, once the last chain is empty.
func (c *cells) drop(old *chain) (shrunk int64) {
	if old.n == 0 {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.used -= (old.n + cellBytes - 1) / cellBytes
	old.last.next, c.free = c.free, old.first
	*old = chain{}
	if c.used > 0 {
		return 0
	}
	shrunk = int64(len(c.taken)) * slabBytes
	for _, s := range c.taken {
		c.slabs.Put(s)
	}
	c.free = nil
	clear(c.taken)
	c.taken = c.taken[:0]
	return shrunk
}

// bytes appends the rows of a chain to dst.
func (c *chain) bytes(dst []byte) []byte {
	left := c.n
	for x := c.first; left > 0; x = x.next {
		n := min(left, cellBytes)
		dst = append(dst, x.rows[:n]...)
		left -= n
	}
	return dst
}
