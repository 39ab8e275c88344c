package pack

// Cursor reads the pieces of some slots or groups of a pack, in their order. It is not safe for concurrent use.
type Cursor struct {
	places []Place
	to     int // slots before it are read
	wants  func(slot int, path string) bool
	fetch  func(Place) ([]byte, error)
	blocks Blocks // nil if fetch returns them, too
	window int64  // bytes to ask blocks for

	seg         *Segment
	place       Place
	data        []byte  // of its blocks
	from        int64   // of data, in the segment's blocks
	next        int     // the block behind the one that was reached last
	group, item int     // of the piece after this one
	behind      []Piece // this one, in its group
	slot        int     // of the group that group is
	wanted      bool    // that group is wanted

	block reached
	spare *Spare // nil if the block's memory is this cursor's for ever

	path  string
	piece Piece
}

// reached is the block that a cursor has reached.
type reached struct {
	from, end int64  // in the segment's blocks
	left      int64  // raw bytes that are left
	stored    []byte // as it was stored; nil if nobody has asked
	unpacked  bool   // tmp has its rows
	tmp       []byte
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

// Blocks reads what is behind the list of a segment's groups.
type Blocks interface {
	// Read returns length bytes from offset in the pack on. What it has returned before is not used any more.
	Read(offset, length int64) ([]byte, error)

	// Drop says that what Read has returned is not used any more.
	Drop()
}

// Apart makes fetch return nothing but the list of a segment's groups. Blocks are read once their rows are asked for, those of a
// group at once, and those behind them that are within window bytes. They are dropped when the cursor goes on to one that was not
// read: a merge waits at a segment of each of thousands of packs, and two large keys of a slot share segments.
func (c *Cursor) Apart(blocks Blocks, window int64) { c.blocks, c.window = blocks, window }

// giveBack frees the memory of the last block.
func (c *Cursor) giveBack() {
	if s := c.spare; s != nil && c.block.tmp != nil {
		if len(s.free) < mostSpare {
			s.free = append(s.free, c.block.tmp)
		}
		c.block.tmp = nil
	}
}

// scratch returns memory for a block.
func (c *Cursor) scratch() []byte {
	if s := c.spare; s != nil && c.block.tmp == nil && len(s.free) > 0 {
		c.block.tmp = s.free[len(s.free)-1]
		s.free = s.free[:len(s.free)-1]
	}
	return c.block.tmp
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
		c.item++
		if c.behind = g.Pieces[c.item:]; len(c.behind) == 0 {
			c.group, c.item = c.group+1, 0
		}
		c.step(p)
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
	if err := c.load(); err != nil || c.piece.Own {
		return c.block.stored, err
	}
	raw := c.seg.Blocks[c.next-1].Raw
	if !c.block.unpacked {
		out, err := unsnap(c.scratch(), c.block.stored, raw)
		if err != nil {
			return nil, err
		}
		c.block.tmp, c.block.unpacked = out, true
	}
	behind := raw - c.block.left
	return c.block.tmp[behind-c.piece.Raw : behind], nil
}

func (c *Cursor) open() error {
	p := c.places[0]
	c.places = c.places[1:]
	b, err := c.fetch(p)
	if err != nil {
		return err
	}
	length := p.Index
	if c.blocks == nil {
		length += p.Bytes
	}
	if int64(len(b)) != length {
		return errIndex
	}
	if c.seg, err = DecodeSegment(b[:p.Index], p); err != nil {
		return err
	}
	if c.drop(); c.blocks == nil {
		c.data = b[p.Index:]
	}
	c.place, c.next, c.group, c.item = p, 0, 0, 0
	c.block.from, c.block.end, c.block.left = 0, 0, 0
	return nil
}

// load finds the block that was reached last, and compares its checksum, unless that was done.
func (c *Cursor) load() (err error) {
	if c.block.stored != nil {
		return nil
	}
	if c.data == nil && c.blocks != nil {
		if c.data, err = c.blocks.Read(c.place.Offset+c.place.Index+c.block.from, c.ahead()); err != nil {
			return err
		}
		c.from = c.block.from
	}
	c.block.stored, err = c.seg.Blocks[c.next-1].stored(c.data[min(c.block.from-c.from, int64(len(c.data))):])
	return err
}

// ahead is how many bytes the blocks have that are to be read at once, from the one on that was reached last: all of its group, and
// what fits into the window.
func (c *Cursor) ahead() (length int64) {
	raw := -c.block.left // of the group, behind the block
	for _, p := range c.behind {
		raw += p.Raw
	}
	length = c.block.end - c.block.from
	for _, b := range c.seg.Blocks[c.next:] {
		if raw <= 0 && length+b.Bytes > c.window {
			break
		}
		length += b.Bytes
		raw -= b.Raw
	}
	return length
}

// drop forgets blocks that were read.
func (c *Cursor) drop() {
	if c.data != nil && c.blocks != nil {
		c.blocks.Drop()
	}
	c.data, c.from = nil, 0
}

// step goes over the bytes of a piece. It does not look at them.
func (c *Cursor) step(p Piece) {
	if p.Raw == 0 {
		return
	}
	if c.block.left == 0 {
		c.giveBack()
		b := &c.seg.Blocks[c.next]
		c.block.from, c.block.end = c.block.end, c.block.end+b.Bytes
		c.block.left, c.block.stored, c.block.unpacked = b.Raw, nil, false
		if c.next++; c.blocks != nil && c.block.end > c.from+int64(len(c.data)) {
			c.drop()
		}
	}
	c.block.left -= p.Raw
}
