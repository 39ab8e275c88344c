package merge

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"slices"
	"sync"

	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink/internal/pack"
	"github.com/onceflow/onceflow/sink/internal/retry"
)

// source is a pack of an hour and flow.
type source struct {
	file     *ledger.File
	order    int // of its entry, and of its place there
	contents *pack.Contents
	at       *pack.Cursor

	store  *retry.Store
	held   *held
	window int64        // bytes to read at once, if a segment is not longer
	places []pack.Place // segments of the unit from the one on that is next
	first  []byte       // the first list of groups, if blocks are read apart
	body   []byte       // what was read last
	start  int64        // of it, in the pack

	begun bool
	path  string // of the piece that is next
	slot  int

	unread error // why a segment could not be read
}

// length is that of the range of the pack that has the unit's segments.
func (s *source) length() int64 { return s.places[len(s.places)-1].End() - s.places[0].Offset }

// fill reads the next segment, and what fits into the window behind it.
func (s *source) fill(ctx context.Context) error {
	first := s.places[0]
	end, n := first.End(), 1
	for n < len(s.places) && s.places[n].End()-first.Offset <= s.window {
		end = s.places[n].End()
		n++
	}
	s.held.add(-int64(len(s.body)))
	s.body = nil // before there is another one
	if s.body, s.unread = readRange(ctx, s.store, s.file.Key, first.Offset, end-first.Offset); s.unread != nil {
		return s.unread
	}
	s.held.add(int64(len(s.body)))
	s.start, s.places = first.Offset, s.places[n:]
	return nil
}

// segment returns the bytes of one. They are asked for in their order.
func (s *source) segment(ctx context.Context, p pack.Place) ([]byte, error) {
	if p.Offset >= s.start+int64(len(s.body)) {
		if err := s.fill(ctx); err != nil {
			return nil, err
		}
	}
	return s.body[p.Offset-s.start : p.End()-s.start], nil
}

// list returns the list of groups of a segment, whose blocks are read when their turn comes: the packs of an hour may have more
// segments of one slot than there is memory. The first list may have been read ahead.
func (s *source) list(ctx context.Context, p pack.Place) (b []byte, err error) {
	if b, s.first = s.first, nil; b != nil {
		return b, nil
	}
	b, s.unread = readRange(ctx, s.store, s.file.Key, p.Offset, p.Index)
	return b, s.unread
}

// blocks are what is behind the lists of a source's segments.
type blocks struct {
	ctx context.Context // of the merge, since a cursor passes none on
	s   *source
}

func (b blocks) Read(offset, length int64) ([]byte, error) {
	s := b.s
	b.Drop() // before there is another one
	if s.body, s.unread = readRange(b.ctx, s.store, s.file.Key, offset, length); s.unread == nil {
		s.held.add(int64(len(s.body)))
	}
	return s.body, s.unread
}

func (b blocks) Drop() {
	b.s.held.add(-int64(len(b.s.body)))
	b.s.body = nil
}

// apart reports whether a segment is longer than the window.
func (s *source) apart() bool {
	return slices.ContainsFunc(s.places, func(p pack.Place) bool { return p.Index+p.Bytes > s.window })
}

// free forgets what was read.
func (s *source) free() {
	s.held.add(-int64(len(s.body)) - cursorBytes)
	s.body, s.at = nil, nil
}

// failed tells a pack that was damaged from a store that does not answer.
func (s *source) failed(err error) error {
	if s.unread != nil {
		return s.unread
	}
	return &PackError{Key: s.file.Key, Err: err}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// contents keeps what packs have, by key, until the hour is sealed. It is safe for concurrent use.
type contents struct {
	store *retry.Store
	held  held

	mu    sync.Mutex // a leaf
	known map[string]*pack.Contents
}

// of reads the contents of a pack, once.
func (c *contents) of(ctx context.Context, f *ledger.File) (*pack.Contents, error) {
	c.mu.Lock()
	known := c.known[f.Key]
	c.mu.Unlock()
	if known != nil {
		return known, nil
	}
	at := f.Contents
	b, err := readRange(ctx, c.store, f.Key, at.Offset, at.Length)
	if err != nil {
		return nil, err
	}
	if known, err = pack.ReadContents(b, at.CRC32C, f.Rows); err != nil {
		return nil, &PackError{Key: f.Key, Err: err}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known[f.Key] = known
	c.held.add(contentsBytes + int64(len(known.List))*placeBytes)
	return known, nil
}

// forget forgets all packs.
func (c *contents) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.known)
	c.held.free()
}

// readRange reads some bytes of an object.
func readRange(ctx context.Context, s *retry.Store, key string, offset, length int64) ([]byte, error) {
	b, err := s.ReadRange(ctx, key, offset, length)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &PackError{Key: key, Err: err}
	}
	if err != nil {
		return nil, fmt.Errorf("sink: read %d bytes of the pack %s: %w", length, key, err)
	}
	return b, nil
}

// PackError is a pack that is gone, or not what the ledger says.
type PackError struct {
	Key string
	Err error
}

func (e *PackError) Error() string {
	return fmt.Sprintf("sink: the pack %s cannot be merged: %v. Its hour is not sealed, and none after it; put the object back as it was, if there is a "+
		"copy, such as an older version", e.Key, e.Err)
}

func (e *PackError) Unwrap() error { return e.Err }
