package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"

	"github.com/onceflow/onceflow/examples/verify/internal/packs"
	"github.com/onceflow/onceflow/examples/verify/internal/rows"
)

// bundle checks the packs of an hour and flow, and compares the files that they were merged into with them. Once a pack is gone
// there are only counts to compare.
func (found *contents) bundle(ctx context.Context, b *bundle) error {
	x := newExpected(found.place, b)
	whole := true
	for _, p := range b.packs {
		ok, err := found.pack(ctx, p, b, x)
		if err != nil {
			return err
		}
		whole = whole && ok
	}
	var merged int64
	for _, u := range b.units {
		if u.record == nil {
			continue
		}
		merged += u.record.Rows
		for _, f := range u.files {
			of := fileCheck{what: fmt.Sprintf("file %s of %s", f.Key, u.name()), by: "the merge record", f: f, must: b.must, merged: true}
			if e := x.files[f]; whole && e.rows > 0 && (e.form.join == "" || e.form.join == joinAvro) {
				of.count = e.count
			}
			if err := found.file(ctx, of); err != nil {
				return err
			}
		}
	}
	if whole {
		x.end()
	}
	if b.complete() {
		found.place.expect(merged == b.rows, b.units[0].key(), "it and the other records of its hour and flow have %d rows, and the packs %d", merged, b.rows)
	}
	return nil
}

// pack reads a pack and passes its pieces on to x. It tells whether all of them were there and right.
func (found *contents) pack(ctx context.Context, p packed, b *bundle, x *expected) (ok bool, err error) {
	what := fmt.Sprintf("pack %s of entry %d", p.f.Key, p.c.id)
	c, err := found.packContents(ctx, what, p.f)
	if errors.Is(err, fs.ErrNotExist) {
		return false, found.gone(ctx, what, p, b)
	}
	if c == nil || err != nil {
		return false, err
	}
	found.place.expect(c.Rows() == p.f.Rows, what, "its segments have %d rows, the entry says %d", c.Rows(), p.f.Rows)
	r, err := found.place.b.Open(ctx, p.f.Key)
	if errors.Is(err, fs.ErrNotExist) {
		return false, found.gone(ctx, what, p, b)
	}
	if err != nil {
		return false, err
	}
	defer r.Close()
	tee := &teeReader{r: r, t: &tally{sum: crc32.NewIEEE()}}
	counted := true
	_, bad := io.CopyN(io.Discard, tee, p.f.Offset)
	if bad == nil {
		bad = c.Read(tee, decompressOf(c), func(piece packs.Piece) error {
			n, known, err := rows.Count{}, false, error(nil)
			if c.Join == "" && piece.Body != nil {
				n, known, err = rows.Of(c.Format(), bytes.NewReader(piece.Body))
			}
			if counted = counted && known; known && err == nil && !n.Is(piece.Rows) {
				err = fmt.Errorf("a piece has %d rows, and should have %d", n.Rows, piece.Rows)
			}
			if err == nil && !isPath(piece.Path) {
				err = errors.New("it is no folders of keys")
			}
			if err == nil {
				x.piece(c, piece)
			}
			return err
		})
	}
	if tee.err != nil {
		return false, fmt.Errorf("%s: %w", p.f.Key, tee.err)
	}
	ok = found.place.expect(bad == nil, what, "%v", bad)
	found.mu.Lock()
	defer found.mu.Unlock()
	found.packs++
	found.packRows += p.f.Rows
	found.packBytes += p.f.Length
	if !counted && ok {
		found.uncountedPacks++
	}
	return ok, nil
}

// packContents reads a whole pack for its length and checksum, and returns its contents; nil if they are wrong.
func (found *contents) packContents(ctx context.Context, what string, f *file) (*packs.Contents, error) {
	r, err := found.place.b.Open(ctx, f.Key)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if _, err := io.CopyN(io.Discard, r, f.Offset); err != nil {
		found.place.bad(what, "it ends before its rows begin")
		return nil, nil //nolint:nilnil // wrong, as said
	}
	at := f.Contents
	if at == nil || !found.place.expect(at.Offset >= 0 && at.Length >= 0 && at.Offset+at.Length == f.Length, what, "its contents are not at its end") {
		return nil, nil //nolint:nilnil // wrong, as said
	}
	var body bytes.Buffer
	ok, _, _, err := found.compare(what, r, f, "the entry", func(r io.Reader) (n rows.Count, known bool, err error) {
		if _, err := io.CopyN(io.Discard, r, at.Offset); err != nil {
			return n, false, err
		}
		_, err = io.CopyN(&body, r, at.Length)
		return n, false, err
	})
	if !ok || err != nil {
		return nil, err
	}
	crc := crc32.Checksum(body.Bytes(), crc32.MakeTable(crc32.Castagnoli))
	if !found.place.expect(crc == at.CRC32C, what, "the CRC-32C of its contents is %08x, the entry says %08x", crc, at.CRC32C) {
		return nil, nil //nolint:nilnil // wrong, as said
	}
	c, err := packs.Parse(body.Bytes(), at.Offset)
	if !found.place.expect(err == nil, what, "its contents: %v", err) {
		return nil, nil //nolint:nilnil // wrong, as said
	}
	return c, nil
}

// gone judges a pack that is not in place. It may have been deleted once its hour is known to be sealed.
func (found *contents) gone(ctx context.Context, what string, p packed, b *bundle) error {
	if hs := b.hour.Add(found.place.hour); !hs.After(found.sealed) {
		found.mu.Lock()
		defer found.mu.Unlock()
		found.packsGone++
		return nil
	}
	return found.missing(ctx, fileCheck{what: what, f: p.f, must: p.c.published || p.c.manifest})
}

// decompressOf opens a block that has one piece, as a file has it.
func decompressOf(c *packs.Contents) packs.Decompress {
	if c.Join != joinAvro {
		return rows.Decompress
	}
	in, err := rows.OpenContainer(bufio.NewReader(bytes.NewReader(c.Header)))
	return func(codec string, r io.Reader) (io.ReadCloser, bool, error) {
		if err != nil {
			return nil, true, fmt.Errorf("the header of its rows: %w", err)
		}
		return in.Decompress(codec, r)
	}
}
