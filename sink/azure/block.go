package azure

import (
	"crypto/md5"
	"errors"
	"io"
	"sync"
)

// block gathers bytes in pieces, which stay where they are: a slice that grows to the size of a block is copied again and
// again. All pieces but the last are full. Its zero value is empty. It is not safe for concurrent use.
type block struct {
	pieces [][]byte
	n      int
}

// pieceBytes is the size of a piece. A first piece that is not full, of one of thousands of files, is as large as it needs to be.
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
func (b *block) add(p []byte, s *spare) {
	b.n += len(p)
	if len(b.pieces) <= 1 && b.n <= pieceBytes/2 {
		if len(b.pieces) == 0 {
			b.pieces = [][]byte{nil}
		}
		b.pieces[0] = append(b.pieces[0], p...)
		return
	}
	for len(p) > 0 {
		last := len(b.pieces) - 1
		switch {
		case last == 0 && cap(b.pieces[0]) < pieceBytes:
			b.pieces[0] = append(s.piece(), b.pieces[0]...)
		case last < 0 || len(b.pieces[last]) == pieceBytes:
			b.pieces = append(b.pieces, s.piece())
			last++
		}
		to := &b.pieces[last]
		n := min(len(p), pieceBytes-len(*to))
		*to = append(*to, p[:n]...)
		p = p[n:]
	}
}

// memory is the number of bytes of memory.
func (b *block) memory() (n int64) {
	for _, p := range b.pieces {
		n += int64(cap(p))
	}
	return n
}

// release empties b and keeps its pieces for others. Nothing may read them any more.
func (b *block) release(s *spare) {
	for _, p := range b.pieces {
		if cap(p) == pieceBytes {
			s.pool.Put((*[pieceBytes]byte)(p[:pieceBytes]))
		}
	}
	*b = block{}
}

// sum is the checksum of the content, which the service compares with what arrives.
func (b *block) sum() []byte {
	h := md5.New()
	for _, p := range b.pieces {
		h.Write(p)
	}
	return h.Sum(nil)
}

// reader reads b from its start.
func (b *block) reader() io.ReadSeekCloser { return &blockReader{b: *b} }

type blockReader struct {
	b  block
	at int64
}

func (r *blockReader) Read(p []byte) (n int, err error) {
	for n < len(p) && r.at < int64(r.b.n) {
		k := copy(p[n:], r.b.pieces[r.at/pieceBytes][r.at%pieceBytes:])
		n += k
		r.at += int64(k)
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (r *blockReader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += int64(r.b.n)
	}
	if offset < 0 {
		return 0, errors.New("azure: seek before the start of a block")
	}
	r.at = offset
	return offset, nil
}

func (*blockReader) Close() error { return nil }
