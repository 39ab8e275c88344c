package gather

import (
	"bytes"
	"crypto/md5"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"
)

// However a part is cut into writes, it is sent as it was written, and with its checksum; also from pieces that another
// part has left behind.
func TestWhatWasGatheredReadsAsItWasWritten(t *testing.T) {
	r, s := rand.New(rand.NewPCG(1, 2)), &Spare{}
	for range 200 {
		var b Bytes
		var want []byte
		for range 1 + r.IntN(12) {
			p := make([]byte, r.IntN(1<<(4+r.IntN(16))))
			for i := range p {
				p[i] = byte(r.Uint32())
			}
			b.Add(p, s)
			want = append(want, p...)
			clear(p) // it is the caller's again
		}
		if b.n != len(want) {
			t.Fatalf("%d bytes, want %d", b.n, len(want))
		}
		if err := iotest.TestReader(b.Reader(), want); err != nil {
			t.Fatal(err)
		}
		again := b.Reader()
		for range 2 { // the client rewinds
			if got, err := io.ReadAll(again); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%d bytes, %v, want the %d that were written", len(got), err, len(want))
			}
			if _, err := again.Seek(0, io.SeekStart); err != nil {
				t.Fatal(err)
			}
		}
		if got, sum := b.Sum(md5.New()), md5.Sum(want); !bytes.Equal(got, sum[:]) {
			t.Fatalf("checksum %x of %d bytes", got, len(want))
		}
		if held := b.Memory(); held < int64(b.n) || held > int64(2*b.n+pieceBytes) {
			t.Fatalf("%d bytes of memory for %d", held, b.n)
		}
		b.Release(s)
		if b.n != 0 || b.Memory() != 0 {
			t.Fatalf("%d bytes after release", b.Memory())
		}
	}
}

// Files of thousands of keys have a few bytes each: a whole piece for each of them would be gigabytes.
func TestAFewBytesTakeLittle(t *testing.T) {
	var b Bytes
	for range 10 {
		b.Add(make([]byte, 600), &Spare{})
	}
	if held := b.Memory(); held > 12<<10 {
		t.Errorf("%d bytes of memory for %d", held, b.n)
	}
}
