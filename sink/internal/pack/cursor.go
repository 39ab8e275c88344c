package pack

// Cursor reads the pieces of some slots or groups of a pack, in their order. It is not safe for concurrent use.
type Cursor struct {
	places []Place
	to     int // slots before it are read
	wants  func(slot int, path string) bool
	fetch  func(Place) ([]byte, error)

	seg         *Segment
	data        []byte // of the blocks that were not reached yet
	next        int    // the first of them
	group, item int    // of the piece after this one
	slot        int    // of the group that group is
	wanted      bool   // that group is wanted

	left     int64  // raw bytes of the block that are left
	stored   []byte // the block as it was stored
	unpacked bool   // tmp has its rows
	tmp      []byte
	spare    *Spare // nil if tmp is this cursor's for ever

	path  string
	piece Piece
}

// NewCursor returns a Cursor of the slots from from on and before to. places are the segments that have them, see
// [Contents.Segments], and fetch returns the bytes of one.
func NewCursor(places []Place, from, to int, fetch func(Place) ([]byte, error)) *Cursor {
	return &Cursor{places: places, to: to, wants: func(slot int, _ string) bool { return slot >= from }, fetch: fetch}
}

// NewChooser returns a Cursor of the groups that wants accepts. It asks once for each group of the segments at places. fetch
// returns the bytes of one.
func NewChooser(places []Place, wants func(slot int, path string) bool, fetch func(Place) ([]byte, error)) *Cursor {
	return &Cursor{places: places, to: Slots, wants: wants, fetch: fetch}
}

// Spare is memory that several cursors share, for blocks that they decompress: a merge has thousands of cursors, and most are
// between two blocks. It is not safe for concurrent use.
type Spare struct{ free [][]byte }

const mostSpare = 8

// Share makes c take memory from s, and give it back after each block.
func (c *Cursor) Share(s *Spare) { c.spare = s }

// giveBack frees the memory of the last block.
func (c *Cursor) giveBack() {
	if s := c.spare; s != nil && c.tmp != nil {
		if len(s.free) < mostSpare {
			s.free = append(s.free, c.tmp)
		}
		c.tmp = nil
	}
}

// scratch returns memory for a block.
func (c *Cursor) scratch() []byte {
	if s := c.spare; s != nil && c.tmp == nil && len(s.free) > 0 {
		c.tmp = s.free[len(s.free)-1]
		s.free = s.free[:len(s.free)-1]
	}
	return c.tmp
}

// Next goes to the next piece. It returns false behind the last one.
func (c *Cursor) Next() (bool, error) {
	for {
		if c.seg == nil {
			if len(c.places) == 0 {
				return false, nil
			}
			if err := c.open(); err != nil {
				return false, err
			}
		}
		if c.group == len(c.seg.Groups) {
			c.seg = nil
			continue
		}
		g := &c.seg.Groups[c.group]
		if c.item == 0 {
			c.slot = g.slot
			c.wanted = c.wants(c.slot, g.Path)
		}
		if c.slot >= c.to {
			c.seg, c.places = nil, nil
			return false, nil
		}
		p := g.Pieces[c.item]
		if c.item++; c.item == len(g.Pieces) {
			c.group, c.item = c.group+1, 0
		}
		if err := c.step(p); err != nil {
			return false, err
		}
		if c.wanted {
			c.path, c.piece = g.Path, p
			return true, nil
		}
	}
}

// Path is the key path of the piece.
func (c *Cursor) Path() string { return c.path }

// Slot is the slot of that key path.
func (c *Cursor) Slot() int { return c.slot }

// Piece is what the list says of it.
func (c *Cursor) Piece() Piece { return c.piece }

// Rows are its rows, as they stand in their block if they have one of their own. They are valid until Next is called.
func (c *Cursor) Rows() ([]byte, error) {
	if c.piece.Raw == 0 {
		return nil, nil
	}
	if c.piece.Own {
		return c.stored, nil
	}
	raw := c.seg.Blocks[c.next-1].Raw
	if !c.unpacked {
		out, err := unsnap(c.scratch(), c.stored, raw)
		if err != nil {
			return nil, err
		}
		c.tmp, c.unpacked = out, true
	}
	behind := raw - c.left
	return c.tmp[behind-c.piece.Raw : behind], nil
}

func (c *Cursor) open() error {
	p := c.places[0]
	c.places = c.places[1:]
	b, err := c.fetch(p)
	if err != nil {
		return err
	}
	if int64(len(b)) != p.Index+p.Bytes {
		return errIndex
	}
	if c.seg, err = DecodeSegment(b[:p.Index], p); err != nil {
		return err
	}
	c.data, c.next, c.group, c.item, c.left = b[p.Index:], 0, 0, 0, 0
	return nil
}

// step goes over the bytes of a piece. It does not decompress them.
func (c *Cursor) step(p Piece) (err error) {
	if p.Raw == 0 {
		return nil
	}
	if c.left == 0 {
		c.giveBack()
		b := &c.seg.Blocks[c.next]
		if c.stored, err = b.stored(c.data); err != nil {
			return err
		}
		c.data = c.data[b.Bytes:]
		c.left, c.unpacked = b.Raw, false
		c.next++
	}
	c.left -= p.Raw
	return nil
}
