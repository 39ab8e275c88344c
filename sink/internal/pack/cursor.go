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

	block    []byte // decompressed, what is left of it
	left     int64  // raw bytes of the block that are left
	unpacked bool   // block has them
	stored   []byte // the block as it was stored
	tmp      []byte

	path  string
	piece Piece
	rows  []byte
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
		rows, err := c.take(p, c.wanted)
		if err != nil {
			return false, err
		}
		if c.wanted {
			c.path, c.piece, c.rows = g.Path, p, rows
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
func (c *Cursor) Rows() []byte { return c.rows }

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

// take goes over the bytes of a piece, and returns them if they are wanted.
func (c *Cursor) take(p Piece, wanted bool) (rows []byte, err error) {
	if p.Raw == 0 {
		return nil, nil
	}
	if c.left == 0 {
		b := &c.seg.Blocks[c.next]
		if c.stored, err = b.stored(c.data); err != nil {
			return nil, err
		}
		c.data = c.data[b.Bytes:]
		c.left, c.unpacked = b.Raw, false
		c.next++
	}
	c.left -= p.Raw
	if p.Own {
		return c.stored, nil
	}
	if !c.unpacked && wanted {
		raw := c.seg.Blocks[c.next-1].Raw
		if c.tmp, err = unsnap(c.tmp, c.stored, raw); err != nil {
			return nil, err
		}
		c.block, c.unpacked = c.tmp[raw-c.left-p.Raw:], true
	}
	if !c.unpacked {
		return nil, nil
	}
	rows, c.block = c.block[:p.Raw], c.block[p.Raw:]
	return rows, nil
}
