package content

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"strings"
	"sync"
	"testing"

	"github.com/onceflow/onceflow/sink/driver"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/sink/internal/pack"
	"github.com/onceflow/onceflow/sink/manifest"
	stream "github.com/onceflow/onceflow/stream/driver"
)

// objects is as much of a store as a Reader needs. It counts the ranges of each object.
type objects struct {
	driver.Store

	mu     sync.Mutex
	bodies map[string][]byte
	ranges map[string]int
}

func (o *objects) ReadRange(_ context.Context, key string, offset, length int64) ([]byte, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ranges[key]++
	b, ok := o.bodies[key]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return bytes.Clone(b[offset : offset+length]), nil
}

// put makes a pack with a row of each path.
func (o *objects) put(t *testing.T, key string, head pack.Head, paths ...string) *manifest.Pack {
	t.Helper()
	var b bytes.Buffer
	w := pack.NewWriter(&b, head)
	for _, p := range paths {
		if err := w.Add(pack.KeyOf(p), []byte(p+"\n"), 1); err != nil {
			t.Fatal(err)
		}
	}
	return o.end(t, key, w, &b, int64(len(paths)))
}

// end ends a pack.
func (o *objects) end(t *testing.T, key string, w *pack.Writer, b *bytes.Buffer, rows int64) *manifest.Pack {
	t.Helper()
	contents, offset, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	o.bodies[key] = b.Bytes()
	sum := func(b []byte) string { return fmt.Sprintf("%08x", crc32.Checksum(b, castagnoli)) }
	return &manifest.Pack{
		Key: key, Length: int64(b.Len()), Rows: rows, CRC32C: sum(b.Bytes()),
		Contents: manifest.Contents{Offset: offset, Length: int64(len(contents)), CRC32C: sum(contents)},
	}
}

func newObjects() *objects { return &objects{bodies: map[string][]byte{}, ranges: map[string]int{}} }

func read(t *testing.T, r *Reader, p *manifest.Pack, path string) (text string) {
	t.Helper()
	for g, err := range r.Groups(t.Context(), p, Choose([]string{path}), false, func(string) error { return nil }) {
		if err != nil {
			t.Error(err)
		}
		text += string(g.Text)
	}
	return text
}

func TestWhatIsKnownOfPacksIsBounded(t *testing.T) {
	o := newObjects()
	r := New(o)
	r.most = 3
	var packs []*manifest.Pack
	for i := range 10 {
		packs = append(packs, o.put(t, fmt.Sprint("pack", i), pack.Head{}, "k=a/"))
	}
	for range 2 {
		for _, p := range packs {
			if got := read(t, r, p, "k=a/"); got != "k=a/\n" {
				t.Errorf("%s has %q", p.Key, got)
			}
			if r.held > 3 || len(r.lists) > 3 || len(r.order) > 3 {
				t.Fatalf("%d segments of %d packs are kept, 3 at most were wanted", r.held, len(r.lists))
			}
		}
	}
	last := packs[9].Key
	if n := o.ranges[last]; n != 4 {
		t.Errorf("a pack that was forgotten costs %d ranges for two reads, want 4", n)
	}
	read(t, r, packs[9], "k=a/")
	if n := o.ranges[last]; n != 5 {
		t.Errorf("a pack that is known costs %d more ranges, want 1", n-4)
	}
}

func TestManyReadersOfAPackReadItsListOnce(t *testing.T) {
	o := newObjects()
	p := o.put(t, "pack", pack.Head{}, "k=a/")
	r := New(o)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { read(t, r, p, "k=a/") })
	}
	wg.Wait()
	if n := o.ranges["pack"]; n != 21 {
		t.Errorf("20 readers read %d ranges, want one of the list and one each", n)
	}
}

// A file of a key has the header once, and so has what is read of a pack.
func TestTheHeaderComesFirst(t *testing.T) {
	o := newObjects()
	p := o.put(t, "pack", pack.Head{Ext: ".csv", Header: []byte("key\n")}, "k=a/")
	r := New(o)
	if got := read(t, r, p, "k=a/"); got != "key\nk=a/\n" {
		t.Errorf("a group is %q", got)
	}
	text, err := r.Pack(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(text)
	if err != nil || string(b) != "key\nk=a/\n" {
		t.Errorf("the pack is %q, %v", b, err)
	}
	if err := text.Close(); err != nil {
		t.Error(err)
	}
	if _, err := text.Read(make([]byte, 1)); err == nil {
		t.Error("a closed text can be read")
	}
}

// lines is a format whose files have their number of rows at the end. A block of it begins with an exclamation mark.
type lines struct{}

func (lines) Join() format.Join      { return lines{} }
func (lines) Name() string           { return "lines" }
func (lines) Alike(a, b []byte) bool { return bytes.Equal(a, b) }
func (lines) BlockBytes() int        { return 0 }
func (lines) Begin(w io.Writer, header []byte, _ int64) (format.File, error) {
	_, err := w.Write(header)
	return &linesFile{w: w}, err
}

type linesFile struct {
	w    io.Writer
	rows int64
}

func (f *linesFile) Waiting() int64 { return 0 }

func (f *linesFile) Rows(rows []byte, n int64) error {
	f.rows += n
	_, err := f.w.Write(rows)
	return err
}

func (f *linesFile) Block(block []byte, n int64) error {
	if block[0] != '!' {
		return errors.New("no block")
	}
	return f.Rows(block[1:], n)
}

func (f *linesFile) Close() error {
	_, err := fmt.Fprintf(f.w, "%d\n", f.rows)
	return err
}

// A group of a format that makes its own files is such a file, whether its rows lie in blocks or not.
func TestRowsOfAJoinAreAFileOfIt(t *testing.T) {
	o := newObjects()
	var b bytes.Buffer
	w := pack.NewWriter(&b, pack.Head{Join: "lines", Codec: ".gz", Header: []byte("head\n")})
	err := errors.Join(w.Add(pack.KeyOf("k=a/"), []byte("1\n2\n"), 2), w.Copy(pack.KeyOf("k=a/"), []byte("!3\n"), 2, 1))
	if err != nil {
		t.Fatal(err)
	}
	p := o.end(t, "pack", w, &b, 3)
	r := New(o, lines{})
	if got := read(t, r, p, "k=a/"); got != "head\n1\n2\n3\n3\n" {
		t.Errorf("a group is %q", got)
	}
	text, err := r.Pack(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(text); err != nil || string(got) != "head\n1\n2\n3\n3\n" {
		t.Errorf("the pack is %q, %v", got, err)
	}
}

// What this version cannot put together must not come as rows of another form.
func TestRowsInAnUnknownFormAreRefused(t *testing.T) {
	o := newObjects()
	r := New(o, lines{})
	_, err := r.Pack(t.Context(), o.put(t, "join", pack.Head{Join: "parquet"}, "k=a/"))
	if err == nil || !strings.Contains(err.Error(), "sealed hour") || !errors.Is(err, stream.ErrStop) {
		t.Errorf("an unknown form: %v", err)
	}
	var b bytes.Buffer
	w := pack.NewWriter(&b, pack.Head{Codec: ".brotli"})
	if err := w.Copy(pack.KeyOf("k=a/"), []byte("compressed"), 100, 1); err != nil {
		t.Fatal(err)
	}
	p := o.end(t, "codec", w, &b, 1)
	text, err := r.Pack(t.Context(), p)
	if err == nil {
		_, err = io.ReadAll(text)
	}
	if err == nil || !strings.Contains(err.Error(), ".brotli") {
		t.Errorf("an unknown codec: %v", err)
	}
}
