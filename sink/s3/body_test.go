package s3

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"
)

// However a part is cut into writes, it is sent as it was written, and with its checksum; also from pieces that another
// part has left behind.
func TestABodyReadsAsItWasWritten(t *testing.T) {
	r, s := rand.New(rand.NewPCG(1, 2)), &spare{}
	for range 200 {
		var b body
		var want []byte
		for range 1 + r.IntN(12) {
			p := make([]byte, r.IntN(1<<(4+r.IntN(16))))
			for i := range p {
				p[i] = byte(r.Uint32())
			}
			b.add(p, s)
			want = append(want, p...)
			clear(p) // it is the caller's again
		}
		if b.n != len(want) {
			t.Fatalf("%d bytes, want %d", b.n, len(want))
		}
		if err := iotest.TestReader(b.reader(), want); err != nil {
			t.Fatal(err)
		}
		again := b.reader()
		for range 2 { // the client rewinds
			if got, err := io.ReadAll(again); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%d bytes, %v, want the %d that were written", len(got), err, len(want))
			}
			if _, err := again.Seek(0, io.SeekStart); err != nil {
				t.Fatal(err)
			}
		}
		sum := binary.BigEndian.AppendUint32(nil, crc32.Checksum(want, crc32.MakeTable(crc32.Castagnoli)))
		if got := b.checksum(); got != base64.StdEncoding.EncodeToString(sum) {
			t.Fatalf("checksum %s of %d bytes", got, len(want))
		}
		if held := b.memory(); held < int64(b.n) || held > int64(2*b.n+pieceBytes) {
			t.Fatalf("%d bytes of memory for %d", held, b.n)
		}
		b.release(s)
		if b.n != 0 || b.memory() != 0 {
			t.Fatalf("%d bytes after release", b.memory())
		}
	}
}

// Files of thousands of keys have a few bytes each: a whole piece for each of them would be gigabytes.
func TestASmallBodyTakesLittle(t *testing.T) {
	var b body
	for range 10 {
		b.add(make([]byte, 600), &spare{})
	}
	if held := b.memory(); held > 12<<10 {
		t.Errorf("%d bytes of memory for %d", held, b.n)
	}
}
