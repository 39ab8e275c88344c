package packs

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/snappy"
)

// writer makes a segment. Its codec turns rows around.
type writer struct {
	list
	body []byte
}

func (w *writer) block(alone bool, rows string) {
	b := []byte(rows)
	if alone {
		slices.Reverse(b)
	} else {
		b = snappy.Encode(nil, b)
	}
	w.blocks = append(w.blocks, block{int64(len(b)), int64(len(rows)), alone, crc32.Checksum(b, castagnoli)})
	w.body = append(w.body, b...)
}

func (w *writer) encode() (index []byte) {
	put := func(n int64) { index = binary.AppendUvarint(index, uint64(n)) }
	twice := func(n int64, one bool) {
		if n *= 2; one {
			n++
		}
		put(n)
	}
	put(int64(len(w.blocks)))
	for _, b := range w.blocks {
		put(b.length)
		twice(b.raw, b.alone)
		index = binary.LittleEndian.AppendUint32(index, b.crc)
	}
	put(int64(len(w.groups)))
	before := ""
	for _, g := range w.groups {
		n := 0
		for n < min(len(before), len(g.path)) && before[n] == g.path[n] {
			n++
		}
		put(int64(n))
		put(int64(len(g.path) - n))
		index = append(index, g.path[n:]...)
		put(int64(len(g.pieces)))
		for _, p := range g.pieces {
			twice(p.raw, p.alone)
			put(p.rows)
		}
		before = g.path
	}
	return index
}

func reversed(codec string, r io.Reader) (io.ReadCloser, bool, error) {
	if codec != "rev" {
		return nil, false, nil
	}
	b, err := io.ReadAll(r)
	slices.Reverse(b)
	return io.NopCloser(bytes.NewReader(b)), true, err
}

// good has two segments; the group "k=x/" goes on in the second one. "k=x/" has slot 15, "k=w/" 57 and "" 227.
func good() (segments []*writer, c *Contents) {
	one, two := &writer{}, &writer{}
	one.block(false, "a\nb\n")
	one.groups = []group{{"k=x/", []piece{{2, 1, false}, {2, 1, false}}}}
	two.block(true, "ccc\nc\n")
	two.block(false, "dd\ne\n")
	two.groups = []group{{"k=x/", []piece{{6, 2, true}}}, {"k=w/", []piece{{3, 1, false}}}, {"", []piece{{2, 1, false}}}}
	return []*writer{one, two}, &Contents{Ext: ".txt.rev", Codec: ".rev"}
}

// read makes a pack, changes its contents, and reads it.
func read(segments []*writer, c *Contents, change func(c *Contents, pack []byte)) (all []string, err error) {
	var pack []byte
	for _, w := range segments {
		index := w.encode()
		s := Segment{Offset: int64(len(pack)), Index: int64(len(index)), Bytes: int64(len(w.body)), CRC32C: crc32.Checksum(index, castagnoli)}
		if n := len(w.groups); n > 0 {
			s.First, s.Last = SlotOf(w.groups[0].path), SlotOf(w.groups[n-1].path)
		}
		for _, g := range w.groups {
			for _, p := range g.pieces {
				s.Raw, s.Rows = s.Raw+p.raw, s.Rows+p.rows
			}
		}
		c.Segments = append(c.Segments, s)
		pack = append(append(pack, index...), w.body...)
	}
	change(c, pack)
	body, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	if c, err = Parse(body, int64(len(pack))); err != nil {
		return nil, err
	}
	err = c.Read(bytes.NewReader(pack), reversed, func(p Piece) error {
		all = append(all, p.Path+":"+string(p.Body))
		return nil
	})
	return all, err
}

func none(*Contents, []byte) {}

func TestAPackHasItsRowsInOrder(t *testing.T) {
	segments, c := good()
	all, err := read(segments, c, none)
	if want := []string{"k=x/:a\n", "k=x/:b\n", "k=x/:ccc\nc\n", "k=w/:dd\n", ":e\n"}; err != nil || !slices.Equal(all, want) {
		t.Errorf("got %q, %v, want %q", all, err, want)
	}
	segments, c = good()
	all, err = read(segments, c, func(c *Contents, _ []byte) { c.Ext, c.Codec = ".txt.odd", ".odd" })
	if want := []string{"k=x/:a\n", "k=x/:b\n", "k=x/:", "k=w/:dd\n", ":e\n"}; err != nil || !slices.Equal(all, want) {
		t.Errorf("of a codec that is not known: got %q, %v, want %q", all, err, want)
	}
}

func TestFaultsOfPacksAreFound(t *testing.T) {
	for name, f := range map[string]struct {
		before func(w []*writer)
		after  func(c *Contents, pack []byte)
		want   string
	}{
		"list":      {after: func(_ *Contents, p []byte) { p[1] ^= 1 }, want: "CRC-32C of its list"},
		"block":     {after: func(c *Contents, p []byte) { p[len(p)-1] ^= 1 }, want: "CRC-32C of a block"},
		"gap":       {after: func(c *Contents, _ []byte) { c.Segments[1].Offset++ }, want: "segment 1 begins at"},
		"end":       {after: func(c *Contents, _ []byte) { c.Segments[1].Bytes-- }, want: "its segments end at"},
		"slots":     {after: func(c *Contents, _ []byte) { c.Segments[0].Last = 300 }, want: "has the slots from"},
		"slot":      {after: func(c *Contents, _ []byte) { c.Segments[0].First-- }, want: "its slots are not those"},
		"rows":      {after: func(c *Contents, _ []byte) { c.Segments[0].Rows++ }, want: "its list has blocks of"},
		"raw":       {after: func(c *Contents, _ []byte) { c.Segments[0].Raw++ }, want: "its list has blocks of"},
		"extension": {after: func(c *Contents, _ []byte) { c.Ext = ".txt" }, want: "and the codec"},
		"order": {before: func(w []*writer) { w[1].groups[1], w[1].groups[2] = w[1].groups[2], w[1].groups[1] },
			want: "its groups are not in order"},
		"group twice":    {before: func(w []*writer) { w[1].groups[1].path = "k=x/" }, want: "its groups are not in order"},
		"no pieces":      {before: func(w []*writer) { w[1].groups[1].pieces = nil }, want: "has no rows"},
		"no rows":        {before: func(w []*writer) { w[0].groups[0].pieces[0].rows = 0 }, want: "has 0 rows"},
		"no groups":      {before: func(w []*writer) { w[0].groups = nil }, want: "it has no groups"},
		"kind of block":  {before: func(w []*writer) { w[1].groups[0].pieces[0].alone = false }, want: "not in a block of its kind"},
		"alone":          {before: func(w []*writer) { w[1].groups[0].pieces[0].raw = 5 }, want: "its block has 6 bytes of rows, and its piece 5"},
		"piece too long": {before: func(w []*writer) { w[1].groups[2].pieces[0].raw = 3 }, want: "goes on behind the end of a block"},
		"rest of block":  {before: func(w []*writer) { w[1].groups[2].pieces[0].raw = 1 }, want: "1 bytes that are of no piece"},
		"block left":     {before: func(w []*writer) { w[0].block(true, "x\n") }, want: "it has 1 blocks"},
		"length of rows": {before: func(w []*writer) { w[0].blocks[0].raw++ }, want: "has not the 5 bytes of rows"},
		"length alone":   {before: func(w []*writer) { w[1].blocks[0].raw-- }, want: "has not the 5 bytes of rows"},
		"no snappy": {before: func(w []*writer) {
			clear(w[0].body)
			w[0].blocks[0].crc = crc32.Checksum(w[0].body, castagnoli)
		}, want: "has not the 4 bytes of rows"},
	} {
		segments, c := good()
		if f.before != nil {
			f.before(segments)
		}
		if f.after == nil {
			f.after = none
		}
		if _, err := read(segments, c, f.after); err == nil || !strings.Contains(err.Error(), f.want) {
			t.Errorf("%s: got %v, want an error that says %s", name, err, f.want)
		}
	}
}

// No list of groups makes a reader panic, whatever is in it.
func TestAListThatIsCutIsRefused(t *testing.T) {
	segments, _ := good()
	index := segments[1].encode()
	if _, err := parseList(index); err != nil {
		t.Fatal(err)
	}
	for n := range index {
		if _, err := parseList(index[:n]); err == nil {
			t.Errorf("the first %d of %d bytes are taken for a list", n, len(index))
		}
	}
	if _, err := parseList(append(index, 0)); err == nil {
		t.Error("a list with a byte behind it is taken for one")
	}
	if _, err := parseList([]byte{0, 1, 1}); err == nil {
		t.Error("a key path shares a byte with none")
	}
}
