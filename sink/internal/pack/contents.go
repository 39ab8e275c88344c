package pack

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"sort"
)

// Head says how the rows of a pack become files.
type Head struct {
	Ext    string `json:"ext"`              // of files, of format and codec, such as ".jsonl.gz"
	Codec  string `json:"codec"`            // its extension, such as ".gz"; empty for none
	Join   string `json:"join,omitempty"`   // how rows become files: empty if they follow each other behind the header
	Header []byte `json:"header,omitempty"` // that begins a file, not compressed
}

// Contents is the list of a pack's segments.
type Contents struct {
	Head
	List []Place `json:"segments"`
}

// Place says where a segment is and what it has.
type Place struct {
	First  int    `json:"first"`  // its first slot
	Last   int    `json:"last"`   // its last slot, which may go on in the next segment
	Offset int64  `json:"offset"` // in the pack
	Index  int64  `json:"index"`  // length of the list of groups
	Bytes  int64  `json:"bytes"`  // length of the blocks behind it
	Raw    int64  `json:"raw"`    // bytes of the rows before they were compressed
	Rows   int64  `json:"rows"`
	CRC32C uint32 `json:"crc32c"` // of the list of groups
}

// End is the offset behind the segment.
func (p *Place) End() int64 { return p.Offset + p.Index + p.Bytes }

// Encode returns the object's last part.
func (c *Contents) Encode() ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	return json.Marshal(c)
}

// DecodeContents reads what Encode wrote.
func DecodeContents(b []byte) (*Contents, error) {
	c := new(Contents)
	if err := json.Unmarshal(b, c); err != nil {
		return nil, fmt.Errorf("pack: contents: %w", err)
	}
	return c, c.check()
}

// ReadContents is DecodeContents of the bytes of a pack's last part, compared with what is said of them and of the pack: their
// checksum, and the number of its rows.
func ReadContents(b []byte, sum uint32, rows int64) (*Contents, error) {
	if crc32.Checksum(b, castagnoli) != sum {
		return nil, errors.New("its list of segments has another checksum than the ledger says")
	}
	c, err := DecodeContents(b)
	if err != nil {
		return nil, err
	}
	if n := c.Rows(); n != rows {
		return nil, fmt.Errorf("it has %d rows, the ledger counts %d", n, rows)
	}
	return c, nil
}

func (c *Contents) check() error {
	at, slot := int64(0), 0
	for i := range c.List {
		p := &c.List[i]
		switch {
		case p.First < slot || p.Last < p.First || p.Last >= Slots:
			return fmt.Errorf("pack: contents: segment %d has slots %d to %d behind slot %d", i, p.First, p.Last, slot)
		case p.Offset != at:
			return fmt.Errorf("pack: contents: segment %d begins at %d, not at %d", i, p.Offset, at)
		case p.Index <= 0 || p.Bytes < 0 || p.Raw < 0 || p.Rows < 0 || p.Index > maxObject || p.Bytes > maxObject-p.Offset-p.Index:
			return errors.New("pack: contents: a segment has nonsense for its sizes")
		}
		at, slot = p.End(), p.Last
	}
	return nil
}

// maxObject is beyond every store's largest object, and sums of it do not overflow.
const maxObject = 1 << 56

// Segments returns the segments that have slots from from on and before to. They follow each other in the pack.
func (c *Contents) Segments(from, to int) []Place {
	first := sort.Search(len(c.List), func(i int) bool { return c.List[i].Last >= from })
	behind := sort.Search(len(c.List), func(i int) bool { return c.List[i].First >= to })
	return slices.Clip(c.List[first:max(first, behind)])
}

// Rows is the number of rows in the pack.
func (c *Contents) Rows() (n int64) {
	for i := range c.List {
		n += c.List[i].Rows
	}
	return n
}
