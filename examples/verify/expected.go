package main

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/onceflow/onceflow/examples/verify/internal/packs"
	"github.com/onceflow/onceflow/examples/verify/internal/rows"
)

// form is how rows become a file.
type form struct {
	ext, codec, join, header string
}

// formOf is that of a pack's rows. Two Avro containers are alike if only the markers between their blocks differ.
func formOf(c *packs.Contents) form {
	is := form{c.Ext, c.Codec, c.Join, string(c.Header)}
	if c.Join == joinAvro {
		is.header = is.header[:max(0, len(is.header)-16)]
	}
	return is
}

// joinAvro is the name of Avro containers.
const joinAvro = "avro"

// expected is what the files of an hour and flow must have, by the packs.
type expected struct {
	place *place
	b     *bundle
	cut   int64 // length at which a file is cut

	files map[*file]*expectedFile
	paths map[string]*expectedPath
}

// expectedPath is the files of a key path, and which of them the next rows are in.
type expectedPath struct {
	files []*expectedFile
	at    int
	bad   bool // a violation was reported
}

// expectedFile is what a merged file must have.
type expectedFile struct {
	f       *file
	form    form
	rows    int64
	raw     int64
	sum     hash.Hash // of the rows, before they are compressed
	unknown bool      // the codec of some, so there is no sum
}

func newExpected(p *place, b *bundle) *expected {
	x := &expected{place: p, b: b, files: map[*file]*expectedFile{}, paths: map[string]*expectedPath{}}
	for _, u := range b.units {
		x.cut = u.close.close.Merge.FileBytes
		for path, files := range u.inOrder() {
			of := &expectedPath{}
			for _, f := range files {
				x.files[f] = &expectedFile{f: f, sum: sha256.New()}
				of.files = append(of.files, x.files[f])
			}
			x.paths[path] = of
		}
	}
	return x
}

// next puts a file first that can have rows of a format. A file that had to be staged again has a new number, so that the
// numbers say nothing of files of different formats.
func (of *expectedPath) next(ext string) {
	for i := of.at; i < len(of.files) && of.files[of.at].rows == 0; i++ {
		if strings.HasSuffix(of.files[i].f.Key, ext) {
			f := of.files[i]
			of.files = slices.Insert(slices.Delete(of.files, i, i+1), of.at, f)
			return
		}
	}
}

// piece takes in the next piece of a pack.
func (x *expected) piece(c *packs.Contents, p packs.Piece) {
	n := len(x.b.units)
	if n == 0 || x.b.units[p.Slot*n/256].record == nil {
		return
	}
	key := x.b.units[p.Slot*n/256].key()
	of := x.paths[p.Path]
	if of == nil {
		of = &expectedPath{}
		x.paths[p.Path] = of
	}
	if of.bad {
		return
	}
	is := formOf(c)
	if of.at < len(of.files) && of.files[of.at].rows == of.files[of.at].f.Rows {
		f := of.files[of.at]
		most := f.f.Length + f.raw + int64(len(f.form.header)) // it was cut by what was compressed then, and the rows that were not
		of.bad = !x.place.expect(f.form != is || most >= x.cut, f.f.Key, "it has %d bytes, and another file goes on with its rows: files are cut at %d", f.f.Length, x.cut)
		of.at++
	}
	of.next(is.ext)
	if of.at >= len(of.files) {
		of.bad = true
		x.place.bad(key, "rows of the key path %q that are in a pack are in no file", p.Path)
		return
	}
	f := of.files[of.at]
	if f.rows == 0 {
		f.form = is
	}
	f.rows, f.raw = f.rows+p.Rows, f.raw+p.Raw
	if f.rows > f.f.Rows {
		of.bad = true
		x.place.bad(f.f.Key, "it has %d rows, and ends within a piece of a pack, or without rows of it", f.f.Rows)
		return
	}
	if f.form != is {
		of.bad = true
		x.place.bad(f.f.Key, "it has rows of another format, codec or header than its first ones")
		return
	}
	if p.Body == nil {
		f.unknown = true
	}
	_, _ = f.sum.Write(p.Body)
}

// end reports files that have more rows than all packs have for them.
func (x *expected) end() {
	for _, path := range slices.Sorted(maps.Keys(x.paths)) {
		of := x.paths[path]
		if of.bad {
			continue
		}
		for _, f := range of.files {
			x.place.expect(f.rows == f.f.Rows, f.f.Key, "it has %d rows, and the packs have %d of them", f.f.Rows, f.rows)
			x.place.expect(f.rows == 0 || strings.HasSuffix(f.f.Key, f.form.ext), f.f.Key, "its name does not end in %s", f.form.ext)
		}
	}
}

// count reads a merged file, for its rows, and compares these with what is expected.
func (f *expectedFile) count(r io.Reader) (n rows.Count, known bool, err error) {
	if f.form.join == joinAvro {
		return f.container(r)
	}
	c := &packs.Contents{Ext: f.form.ext, Codec: f.form.codec}
	plain, known, err := rows.Decompress(strings.TrimPrefix(f.form.codec, "."), r)
	if !known || err != nil {
		return n, known, err
	}
	defer plain.Close()
	header := make([]byte, len(f.form.header))
	if _, err := io.ReadFull(plain, header); err != nil || string(header) != f.form.header {
		return n, true, fmt.Errorf("it does not begin with the header of its packs, but with %.100q", header)
	}
	sum := sha256.New()
	tee := io.TeeReader(plain, sum)
	n, known, err = rows.Of(c.Format(), tee)
	more, err2 := io.Copy(io.Discard, tee)
	if err == nil {
		err = err2
	}
	if err == nil && known && more > 0 {
		err = fmt.Errorf("%d bytes follow its rows", more)
	}
	if err == nil && !f.unknown && string(sum.Sum(nil)) != string(f.sum.Sum(nil)) {
		err = fmt.Errorf("its rows are not those of the packs, in the order of the entries")
	}
	n.Header = false
	return n, known, err
}

// container is count for an Avro container.
func (f *expectedFile) container(r io.Reader) (n rows.Count, known bool, err error) {
	sum := sha256.New()
	c, n, known, err := rows.InContainer(r, sum)
	switch {
	case err != nil || !known:
	case string(c.Header) != f.form.header:
		err = fmt.Errorf("its schema or codec is not that of its packs")
	case !f.unknown && string(sum.Sum(nil)) != string(f.sum.Sum(nil)):
		err = fmt.Errorf("its rows are not those of the packs, in the order of the entries")
	}
	return n, known, err
}
