// Package gather keeps the part of a file that a store is to send.
package gather

import (
	"errors"
	"hash"
	"io"
	"sync"
)

// Bytes gathers a part of a file in pieces. A slice that grows to the size of a part is copied again and again, and what it
// leaves behind is several times its size; pieces stay where they are, and the next part takes those of one that has arrived.
//
// All pieces but the last are full. Its zero value is empty. It is not safe for concurrent use.
type Bytes struct {
	pieces [][]byte
	n      int
}

// pieceBytes is the size of a piece. A body that never gets that far, of one of thousands of files, has a smaller one.
const pieceBytes = 256 << 10

// Spare is pieces that nobody uses. Its zero value is ready; it is safe for concurrent use.
type Spare struct{ pool sync.Pool }

func (s *Spare) piece() []byte {
	if p, ok := s.pool.Get().(*[pieceBytes]byte); ok {
		return p[:0]
	}
	return make([]byte, 0, pieceBytes)
}

// Add appends a copy of p.
func (b *Bytes) Add(p []byte, s *Spare) {
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
func (*Bytes) grown(p []byte, more int, s *Spare) []byte {
	if want := max(2*cap(p), len(p)+more); want < pieceBytes {
		return append(make([]byte, 0, want), p...)
	}
	return append(s.piece(), p...)
}

// Memory is the number of bytes of memory.
func (b *Bytes) Memory() (n int64) {
	for _, p := range b.pieces {
		n += int64(cap(p))
	}
	return n
}

// Release empties b and keeps its pieces for others. Nothing may read them any more.
func (b *Bytes) Release(s *Spare) {
	for _, p := range b.pieces {
		if cap(p) == pieceBytes {
			s.pool.Put((*[pieceBytes]byte)(p[:pieceBytes]))
		}
	}
	*b = Bytes{}
}

// Sum writes what was gathered to h and returns h's checksum.
func (b *Bytes) Sum(h hash.Hash) []byte {
	for _, p := range b.pieces {
		_, _ = h.Write(p) // never fails
	}
	return h.Sum(nil)
}

// Len is how many bytes were gathered.
func (b *Bytes) Len() int { return b.n }

// Reader reads b from its start. Clients read a body twice, for the signature and to send it.
func (b *Bytes) Reader() io.ReadSeeker { return &reader{b: *b} }

type reader struct {
	b  Bytes
	at int64
}

func (r *reader) Read(p []byte) (n int, err error) {
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

func (r *reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += int64(r.b.n)
	}
	if offset < 0 {
		return 0, errors.New("seek before the start of a part")
	}
	r.at = offset
	return offset, nil
}
