package pack_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/onceflow/onceflow/sink/internal/pack"
)

type piece struct {
	path string
	rows []byte
	n    int64
}

// frame stands for a codec: what it makes must not be taken for rows.
func frame(rows []byte, n int64) []byte { return fmt.Appendf(nil, "<%d:%s>", n, rows) }

// random makes pieces of keys in the order that a pack has.
func random(r *rand.Rand, keys int) (list []piece) {
	for i := range keys {
		path := fmt.Sprintf("advertiser=%d/country=%d/", r.IntN(keys), i%3)
		for range 1 + r.IntN(3) {
			size := r.IntN(300)
			switch r.IntN(1000) {
			case 0:
				size = 0
			case 1:
				size = pack.OwnBytes + r.IntN(1000)
			}
			b := make([]byte, size)
			for k := range b {
				b[k] = byte('a' + r.IntN(4))
			}
			list = append(list, piece{path, b, int64(r.IntN(5))})
		}
	}
	slices.SortStableFunc(list, func(a, b piece) int { return pack.Compare(a.path, b.path) })
	return list
}

// write makes a pack, with blocks of their own for long pieces if own is set.
func write(t testing.TB, list []piece, own bool) ([]byte, *pack.Contents) {
	t.Helper()
	var out bytes.Buffer
	w := pack.NewWriter(&out, pack.Head{Ext: ".txt", Header: []byte("head")})
	for _, p := range list {
		var err error
		if own && len(p.rows) >= pack.OwnBytes {
			err = w.Copy(pack.KeyOf(p.path), frame(p.rows, p.n), int64(len(p.rows)), p.n)
		} else {
			err = w.Add(pack.KeyOf(p.path), p.rows, p.n)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	contents, at, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(contents, out.Bytes()[at:]) {
		t.Fatalf("the contents are not those at %d", at)
	}
	c, err := pack.DecodeContents(contents)
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), c
}

// read returns the pieces of some slots.
func read(t testing.TB, object []byte, c *pack.Contents, from, to int) (list []piece) {
	t.Helper()
	list, err := tryRead(object, c, from, to)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func tryRead(object []byte, c *pack.Contents, from, to int) (list []piece, err error) {
	at := pack.NewCursor(c.Segments(from, to), from, to, func(p pack.Place) ([]byte, error) { return object[p.Offset:p.End()], nil })
	if from%2 == 1 {
		at.Share(&pack.Spare{})
	}
	for {
		ok, err := at.Next()
		if !ok {
			return list, err
		}
		rows, err := at.Rows()
		if err != nil {
			return list, err
		}
		b, p := bytes.Clone(rows), at.Piece()
		if head := fmt.Sprintf("<%d:", p.Rows); p.Own {
			b = bytes.TrimSuffix(bytes.TrimPrefix(b, []byte(head)), []byte(">"))
		}
		list = append(list, piece{at.Path(), b, p.Rows})
	}
}

func equal(a, b piece) bool { return a.path == b.path && a.n == b.n && bytes.Equal(a.rows, b.rows) }

func TestAPackHasWhatWasWritten(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		list := random(r, 1+r.IntN(2000))
		object, c := write(t, list, seed%3 > 0)
		if got := read(t, object, c, 0, pack.Slots); !slices.EqualFunc(got, list, equal) {
			t.Fatalf("seed %d: %d pieces were read, not the %d that were written", seed, len(got), len(list))
		}
		rows := int64(0)
		for _, p := range list {
			rows += p.n
		}
		if c.Rows() != rows || string(c.Header) != "head" || c.Ext != ".txt" {
			t.Fatalf("seed %d: the contents say %d rows of %+v, want %d", seed, c.Rows(), c.Head, rows)
		}
	}
}

// A range of slots is in the segments that are named for it, which follow each other and are no more than needed.
func TestSegmentsOfSlots(t *testing.T) {
	list := random(rand.New(rand.NewPCG(1, 2)), 8000)
	object, c := write(t, list, true)
	if len(c.List) < 10 {
		t.Fatalf("only %d segments", len(c.List))
	}
	for from := 0; from < pack.Slots; from += 7 {
		for _, to := range []int{from + 1, min(from+16, pack.Slots), pack.Slots} {
			in := func(p piece) bool { s := pack.Slot(p.path); return s >= from && s < to }
			places := c.Segments(from, to)
			got := read(t, object, c, from, to)
			want := slices.DeleteFunc(slices.Clone(list), func(p piece) bool { return !in(p) })
			if !slices.EqualFunc(got, want, equal) {
				t.Fatalf("slots %d to %d: %d pieces, want %d", from, to, len(got), len(want))
			}
			for i := 1; i < len(places); i++ {
				if places[i].Offset != places[i-1].End() || places[i].First >= to {
					t.Fatalf("slots %d to %d: segments %+v", from, to, places)
				}
			}
		}
	}
}

func TestAPackWithoutRows(t *testing.T) {
	_, c := write(t, nil, true)
	if got := c.Segments(0, pack.Slots); len(got) != 0 || c.Rows() != 0 {
		t.Errorf("segments %v with %d rows", got, c.Rows())
	}
}

func TestPiecesOutOfOrderAreRefused(t *testing.T) {
	paths := []string{"a=1/", "a=2/", "a=3/"}
	slices.SortFunc(paths, pack.Compare)
	w := pack.NewWriter(new(bytes.Buffer), pack.Head{})
	for i, want := range []bool{true, true, false} {
		if err := w.Add(pack.KeyOf(paths[[]int{1, 2, 0}[i]]), []byte("x"), 1); (err == nil) != want {
			t.Errorf("piece %d: %v", i, err)
		}
	}
}

// Every byte of a segment is covered by a checksum: no flipped one is taken for rows.
func TestEveryFlippedByteOfAPackIsNoticed(t *testing.T) {
	object, c := write(t, random(rand.New(rand.NewPCG(3, 3)), 40), true)
	end := int(c.List[len(c.List)-1].End())
	for i := 0; i < end; i += max(1, end/3000) { // long blocks are sampled
		object[i] ^= 0x10
		if _, err := tryRead(object, c, 0, pack.Slots); err == nil {
			t.Fatalf("byte %d was flipped, and nobody noticed", i)
		}
		object[i] ^= 0x10
	}
}

func FuzzContents(f *testing.F) {
	_, c := write(f, random(rand.New(rand.NewPCG(4, 4)), 100), true)
	b, err := c.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := pack.DecodeContents(b)
		if err != nil {
			return
		}
		for _, p := range c.Segments(3, 200) {
			if p.Offset < 0 || p.End() < p.Offset {
				t.Fatalf("%+v", p)
			}
		}
	})
}

func FuzzSegment(f *testing.F) {
	object, c := write(f, random(rand.New(rand.NewPCG(5, 5)), 30), true)
	p := c.List[0]
	f.Add(object[:p.Index], object[p.Index:p.End()])
	f.Fuzz(func(_ *testing.T, index, data []byte) {
		// Whatever it says, nothing is read beyond what is there, and it ends. The checksum is made right, so that the rest is
		// looked at.
		p := pack.Sealed(index, int64(len(data)))
		at := pack.NewCursor([]pack.Place{p}, 3, 200, func(pack.Place) ([]byte, error) { return append(bytes.Clone(index), data...), nil })
		for ok := true; ok; {
			ok, _ = at.Next()
		}
	})
}

// BenchmarkWriter is a commit of 15,000 keys with a few rows each.
func BenchmarkWriter(b *testing.B) {
	r := rand.New(rand.NewPCG(6, 6))
	var list []piece
	bytesOf := 0
	for i := range 15_000 {
		var rows []byte
		for k := range 4 {
			rows = fmt.Appendf(rows, `{"id":"%016x","advertiser":%d,"price":%d,"country":"PL","time":"2025-05-01T12:%02d:00Z"}`+"\n", r.Uint64(), i, r.IntN(1000), k)
		}
		list = append(list, piece{fmt.Sprintf("advertiser=%d/", i), rows, 4})
		bytesOf += len(rows)
	}
	slices.SortFunc(list, func(a, b piece) int { return pack.Compare(a.path, b.path) })
	b.SetBytes(int64(bytesOf))
	b.ReportAllocs()
	var out bytes.Buffer
	for b.Loop() {
		out.Reset()
		w := pack.NewWriter(&out, pack.Head{})
		for _, p := range list {
			if err := w.Add(pack.KeyOf(p.path), p.rows, p.n); err != nil {
				b.Fatal(err)
			}
		}
		if _, _, err := w.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(out.Len())/float64(bytesOf), "packed/raw")
}

// apart reads blocks of a pack, and notes what it was asked for.
type apart struct {
	object []byte
	reads  []int64 // lengths
	held   int64
}

func (a *apart) Read(offset, length int64) ([]byte, error) {
	a.reads, a.held = append(a.reads, length), length
	return slices.Clone(a.object[offset : offset+length]), nil
}

func (a *apart) Drop() { a.held = 0 }

// neighbours are two keys of one slot.
func neighbours() (a, b string) {
	seen := map[int]string{}
	for i := 0; ; i++ {
		path := fmt.Sprintf("k=%d/", i)
		if a = seen[pack.Slot(path)]; a != "" {
			return min(a, path), max(a, path)
		}
		seen[pack.Slot(path)] = path
	}
}

// The blocks of a key's neighbour in its segment once waited in memory, of each of a thousand packs, until the key was merged.
func TestBlocksOfANeighbourAreNotReadWithThoseOfAKey(t *testing.T) {
	a, b := neighbours()
	long := bytes.Repeat([]byte("x"), pack.OwnBytes)
	list := []piece{{a, long, 1}, {a, long, 2}, {a, []byte("end"), 3}, {b, []byte("begin"), 4}, {b, long, 5}, {b, long, 6}}
	object, c := write(t, list, true)
	if len(c.List) != 1 {
		t.Fatalf("%d segments, want one with both keys", len(c.List))
	}
	own := int64(len(frame(long, 1)))
	shared := c.List[0].Bytes - 4*own
	for _, x := range []struct {
		window int64
		reads  []int64
	}{
		{1, []int64{2*own + shared, 2 * own}},
		{2*own + shared, []int64{2*own + shared, 2 * own}},
		{3*own + shared, []int64{3*own + shared, own}},
		{1 << 30, []int64{4*own + shared}},
	} {
		from := &apart{object: object}
		at := pack.NewCursor(c.List, 0, pack.Slots, func(p pack.Place) ([]byte, error) { return object[p.Offset : p.Offset+p.Index], nil })
		at.Apart(from, x.window)
		for i := range list {
			if ok, err := at.Next(); !ok {
				t.Fatal(i, err)
			}
			if i == 4 && x.window <= 2*own+shared && from.held != 0 {
				t.Errorf("window %d: %d bytes are held of a block that was read", x.window, from.held)
			}
			rows, err := at.Rows()
			if err != nil {
				t.Fatal(i, err)
			}
			want := list[i].rows
			if at.Piece().Own {
				want = frame(want, list[i].n)
			}
			if at.Path() != list[i].path || !bytes.Equal(rows, want) {
				t.Fatalf("window %d: piece %d is not what was written", x.window, i)
			}
		}
		if ok, err := at.Next(); ok || err != nil {
			t.Error(ok, err)
		}
		if !slices.Equal(from.reads, x.reads) {
			t.Errorf("window %d: reads of %d bytes, want %d", x.window, from.reads, x.reads)
		}
	}
}
