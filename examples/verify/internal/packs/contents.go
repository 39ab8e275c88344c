// Package packs reads packs, as section 10 of docs/format.md describes them.
package packs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Contents is what a pack says of itself.
type Contents struct {
	Ext      string    `json:"ext"`
	Codec    string    `json:"codec"`
	Join     string    `json:"join"`
	Header   []byte    `json:"header"`
	Segments []Segment `json:"segments"`
}

// Segment is a part of a pack: a list of groups and the blocks that have their rows.
type Segment struct {
	First  int    `json:"first"`
	Last   int    `json:"last"`
	Offset int64  `json:"offset"`
	Index  int64  `json:"index"`
	Bytes  int64  `json:"bytes"`
	Raw    int64  `json:"raw"`
	Rows   int64  `json:"rows"`
	CRC32C uint32 `json:"crc32c"`
}

// Parse reads the contents of a pack, which begin at an offset of it.
func Parse(body []byte, offset int64) (*Contents, error) {
	c := new(Contents)
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(c); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON object")
	}
	if !strings.HasSuffix(c.Ext, c.Codec) || c.Codec != "" && c.Codec[0] != '.' {
		return nil, fmt.Errorf("files that end in %q, and the codec %q", c.Ext, c.Codec)
	}
	at, slot := int64(0), 0
	for i, s := range c.Segments {
		if s.Offset != at || s.Index < 1 || s.Bytes < 0 || s.Index > offset || s.Bytes > offset {
			return nil, fmt.Errorf("segment %d begins at %d, and the one before ends at %d", i, s.Offset, at)
		}
		if s.First < slot || s.Last < s.First || s.Last > 255 {
			return nil, fmt.Errorf("segment %d has the slots from %d through %d, and the one before ends with %d", i, s.First, s.Last, slot)
		}
		at, slot = at+s.Index+s.Bytes, s.Last
	}
	if at != offset {
		return nil, fmt.Errorf("its segments end at %d, and its contents begin at %d", at, offset)
	}
	return c, nil
}

// Format is the extension of the rows' format, without the dot.
func (c *Contents) Format() string {
	return strings.TrimPrefix(strings.TrimSuffix(c.Ext, c.Codec), ".")
}

// codec is its extension without the dot.
func (c *Contents) codec() string { return strings.TrimPrefix(c.Codec, ".") }

// Rows is how many rows all segments say they have.
func (c *Contents) Rows() (n int64) {
	for _, s := range c.Segments {
		n += s.Rows
	}
	return n
}
