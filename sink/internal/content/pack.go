package content

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	"github.com/onceflow/onceflow/sink/codec"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/internal/pack"
	"github.com/onceflow/onceflow/sink/manifest"
)

const (
	// readBytes is about how much of a pack is read at once.
	readBytes = 8 << 20

	// gapBytes are read though nobody wants them, since a request of its own for what is behind them would take longer.
	gapBytes = 512 << 10

	// groupBytes end a Group that goes on.
	groupBytes = 4 << 20
)

// Choice is a set of key paths. It is immutable.
type Choice struct {
	paths map[string]bool
	slots []int // of these, ascending
}

// Choose returns a Choice.
func Choose(paths []string) *Choice {
	c := &Choice{paths: map[string]bool{}}
	for _, p := range paths {
		c.paths[p] = true
		c.slots = append(c.slots, pack.Slot(p))
	}
	slices.Sort(c.slots)
	c.slots = slices.Compact(c.slots)
	return c
}

// Group is rows of one key path in a pack.
type Group struct {
	Path string
	Rows int64
	Text []byte // as a file of these rows has before it is compressed, with its header; valid until the next Group
}

// Groups yields the rows of a pack that a choice has, in the order of slots, then of key paths. The rows of a path that has many
// come in several Groups, which follow each other. other is asked about each key path that is met and was not chosen; its error ends
// the reading. look reads some of the pack, so that other is asked, also if nothing of the choice can be there. After an error it ends.
func (r *Reader) Groups(ctx context.Context, p *manifest.Pack, choice *Choice, look bool, other func(path string) error) iter.Seq2[Group, error] {
	return func(yield func(Group, error) bool) {
		if err := r.groups(ctx, p, choice, look, other, yield); err != nil && !errors.Is(err, errStop) {
			yield(Group{}, err)
		}
	}
}

// errStop says that no more groups are wanted.
var errStop = errors.New("stop")

func (r *Reader) groups(ctx context.Context, p *manifest.Pack, choice *Choice, look bool, other func(path string) error, yield func(Group, error) bool) error {
	rows, err := r.open(ctx, p, choice, look, other)
	if err != nil {
		return err
	}
	t := &text{rows: rows}
	g := Group{}
	give := func() error {
		if !t.begun {
			return nil
		}
		if err := t.end(); err != nil {
			return err
		}
		g.Text = t.buf.Bytes()
		if !yield(g, nil) {
			return errStop
		}
		g.Rows = 0
		t.reset()
		return nil
	}
	for {
		ok, err := rows.next()
		if err != nil {
			return err
		}
		if !ok {
			return give()
		}
		if rows.path != g.Path || t.len() >= groupBytes {
			if err := give(); err != nil {
				return err
			}
			g.Path = rows.path
		}
		g.Rows += rows.rows
		if err := t.add(); err != nil {
			return err
		}
	}
}

// Pack reads all rows of a pack, as a file of them has before it is compressed.
func (r *Reader) Pack(ctx context.Context, p *manifest.Pack) (io.ReadCloser, error) {
	rows, err := r.open(ctx, p, nil, false, nil)
	if err != nil {
		return nil, err
	}
	return &packText{text: text{rows: rows}}, nil
}

// packText is the text of a whole pack.
type packText struct {
	text
	err error
}

func (t *packText) Read(p []byte) (int, error) {
	for t.buf.Len() == 0 && t.err == nil {
		ok, err := t.rows.next()
		switch {
		case err != nil:
			t.err = err
		case ok:
			t.err = t.add()
		default:
			if t.err = t.end(); t.err == nil {
				t.err = io.EOF
			}
		}
	}
	if t.buf.Len() == 0 {
		return 0, t.err
	}
	return t.buf.Read(p)
}

func (t *packText) Close() error {
	t.reset()
	t.err = io.ErrClosedPipe
	return nil
}

// packRows gives rows of a pack, piece by piece.
type packRows struct {
	pack   *manifest.Pack
	at     *pack.Cursor
	codec  string      // extension
	join   format.Join // makes files of the rows; nil if these are a header and the rows
	header []byte

	path  string
	rows  int64
	text  []byte // valid until next is called
	block bool   // text is a block of the join

	unread error // why a part could not be read, or who met a key path refuses it
}

// open begins to read the rows of a choice, or all if that is nil.
func (r *Reader) open(ctx context.Context, p *manifest.Pack, choice *Choice, look bool, other func(path string) error) (*packRows, error) {
	c, err := r.contents(ctx, p)
	if err != nil {
		return nil, err
	}
	rows := &packRows{pack: p, codec: c.Codec, header: c.Header, join: r.joins[c.Join]}
	if c.Join != "" && rows.join == nil {
		return nil, &FormError{p.Key, fmt.Sprintf("files of the format %q, which was not given to this reader", c.Join)}
	}
	places := c.List
	if choice != nil {
		places = choice.places(c)
	}
	if look && len(places) == 0 {
		places = c.List[:min(1, len(c.List))]
	}
	part := ranges{reader: r, pack: p, ahead: places}
	fetch := func(place pack.Place) (b []byte, err error) {
		if rows.unread == nil {
			b, rows.unread = part.fetch(ctx, place)
		}
		return b, rows.unread
	}
	rows.at = pack.NewChooser(places, func(_ int, path string) bool {
		if choice == nil || choice.paths[path] {
			return true
		}
		if rows.unread == nil {
			rows.unread = other(path)
		}
		return false
	}, fetch)
	return rows, nil
}

// places are the segments of a pack that may have what was chosen.
func (c *Choice) places(from *pack.Contents) (places []pack.Place) {
	for _, slot := range c.slots {
		for _, p := range from.Segments(slot, slot+1) {
			if n := len(places); n == 0 || places[n-1].Offset < p.Offset {
				places = append(places, p)
			}
		}
	}
	return places
}

// next goes to the next piece. It returns false behind the last one.
func (r *packRows) next() (bool, error) {
	ok, err := r.at.Next()
	if r.unread != nil {
		return false, r.unread
	}
	if err != nil {
		return false, damaged(r.pack, err)
	}
	if !ok {
		return false, nil
	}
	p := r.at.Piece()
	r.path, r.rows = r.at.Path(), p.Rows
	if r.text, err = r.at.Rows(); err != nil {
		return false, damaged(r.pack, err)
	}
	r.block = p.Own && r.join != nil
	if p.Own && r.join == nil && r.codec != "" {
		r.text, err = r.decompress(r.text, p.Raw)
	}
	return err == nil, err
}

// decompress decompresses a piece that is compressed as files are.
func (r *packRows) decompress(b []byte, raw int64) ([]byte, error) {
	if !codec.Known(r.codec) {
		return nil, &FormError{r.pack.Key, fmt.Sprintf("the codec %q, which is none of package codec", r.codec)}
	}
	text, err := codec.NewReader(r.codec, bytes.NewReader(b))
	if err != nil {
		return nil, damaged(r.pack, err)
	}
	out := make([]byte, raw)
	if _, err = io.ReadFull(text, out); err == nil {
		if n, _ := text.Read(make([]byte, 1)); n > 0 {
			err = fmt.Errorf("a piece has more than its %d bytes", raw)
		}
	}
	_ = text.Close()
	if err != nil {
		return nil, damaged(r.pack, err)
	}
	return out, nil
}

// ranges reads segments of a pack in their order, several with one request.
type ranges struct {
	reader *Reader
	pack   *manifest.Pack
	ahead  []pack.Place // that were not fetched yet
	body   []byte
	begin  int64 // of body in the pack
}

// fetch returns the bytes of the next segment.
func (r *ranges) fetch(ctx context.Context, p pack.Place) (b []byte, err error) {
	if p.End() > r.begin+int64(len(r.body)) {
		end := p.End()
		for _, next := range r.ahead[1:] {
			if next.Offset-end > gapBytes || next.End()-p.Offset > readBytes {
				break
			}
			end = next.End()
		}
		r.begin = p.Offset
		if r.body, err = r.reader.part(ctx, r.pack, p.Offset, end-p.Offset); err != nil {
			return nil, err
		}
		if int64(len(r.body)) != end-p.Offset {
			return nil, fmt.Errorf("sink: %d bytes of the pack %s were asked for, and %d read", end-p.Offset, r.pack.Key, len(r.body))
		}
	}
	r.ahead = r.ahead[1:]
	return r.body[p.Offset-r.begin : p.End()-r.begin], nil
}
