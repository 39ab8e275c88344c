package s3

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"sync"
)

// body gathers a part in pieces. A slice that grows to the size of a part is copied again and again, and what it leaves
// behind is several times its size; pieces stay where they are, and the next part takes those of one that has arrived.
//
// All pieces but the last are full. Its zero value is empty. It is not safe for concurrent use.
type body struct {
	pieces [][]byte
	n      int
}

// pieceBytes is the size of a piece. A body that never gets that far, of one of thousands of files, has a smaller one.
const pieceBytes = 256 << 10

// spare is pieces that nobody uses. Its zero value is ready; it is safe for concurrent use.
type spare struct{ pool sync.Pool }

func (s *spare) piece() []byte {
	if p, ok := s.pool.Get().(*[pieceBytes]byte); ok {
		return p[:0]
	}
	return make([]byte, 0, pieceBytes)
}

// add appends a copy of p.
func (b *body) add(p []byte, s *spare) {
	b.n += len(p)
	for len(p) > 0 {
		last := len(b.pieces) - 1
		switch {
		case last < 0 && len(p) < pieceBytes:
			b.pieces = append(b.pieces, make([]byte, 0, len(p)))
		case last == 0 && len(b.pieces[0])+len(p) > cap(b.pieces[0]) && cap(b.pieces[0]) < pieceBytes:
			b.pieces[0] = b.grown(b.pieces[0], len(p), s)
		case last < 0 || len(b.pieces[last]) == pieceBytes:
			b.pieces = append(b.pieces, s.piece())
		}
		to := &b.pieces[len(b.pieces)-1]
		n := min(len(p), cap(*to)-len(*to))
		*to = append(*to, p[:n]...)
		p = p[n:]
	}
}

// grown is a larger copy of a small piece.
func (*body) grown(p []byte, more int, s *spare) []byte {
	if want := max(2*cap(p), len(p)+more); want < pieceBytes {
		return append(make([]byte, 0, want), p...)
	}
	return append(s.piece(), p...)
}

// memory is the number of bytes of memory.
func (b *body) memory() (n int64) {
	for _, p := range b.pieces {
		n += int64(cap(p))
	}
	return n
}

// release empties b and keeps its pieces for others. Nothing may read them any more.
func (b *body) release(s *spare) {
	for _, p := range b.pieces {
		if cap(p) == pieceBytes {
			s.pool.Put((*[pieceBytes]byte)(p[:pieceBytes]))
		}
	}
	*b = body{}
}

// checksum is CRC-32C as S3 writes it.
func (b *body) checksum() string {
	sum := uint32(0)
	for _, p := range b.pieces {
		sum = crc32.Update(sum, castagnoli, p)
	}
	return encodeSum(sum)
}

// encodeSum is a checksum as S3 writes it: big-endian, base64.
func encodeSum(sum uint32) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum))
}

// reader reads b from its start. The client reads a body twice, for the signature and to send it.
func (b *body) reader() io.ReadSeeker { return &bodyReader{b: *b} }

type bodyReader struct {
	b  body
	at int64
}

func (r *bodyReader) Read(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	for n < len(p) && r.at < int64(r.b.n) {
		k := copy(p[n:], r.b.pieces[r.at/pieceBytes][r.at%pieceBytes:])
		n += k
		r.at += int64(k)
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (r *bodyReader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += int64(r.b.n)
	}
	if offset < 0 {
		return 0, errors.New("s3: seek before the start of a part")
	}
	r.at = offset
	return offset, nil
}
