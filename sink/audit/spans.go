package audit

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"io"
	"slices"
)

// span is a run of lines, both ends included.
type span struct{ first, last uint32 }

// spans are runs of lines in any order; they may overlap.
type spans []span

// add adds a line. Lines mostly come in ascending order.
func (s *spans) add(line uint32) {
	if n := len(*s); n > 0 {
		switch last := &(*s)[n-1]; {
		case line == last.last+1:
			last.last = line
			return
		case line >= last.first && line <= last.last:
			return
		}
	}
	s.put(span{line, line})
}

// put adds a run.
func (s *spans) put(run span) {
	if n := len(*s); n == cap(*s) && n >= 32 { // copies of the same lines must not take memory for ever
		if s.join(); len(*s) > n/2 {
			*s = slices.Grow(*s, n)
		}
	}
	*s = append(*s, run)
}

// join sorts the runs, and makes one of those that touch.
func (s *spans) join() {
	all := *s
	if !slices.IsSortedFunc(all, compareSpans) {
		slices.SortFunc(all, compareSpans)
	}
	out := all[:0]
	for _, r := range all {
		if n := len(out); n > 0 && r.first <= out[n-1].last+1 {
			out[n-1].last = max(out[n-1].last, r.last)
			continue
		}
		out = append(out, r)
	}
	*s = out
}

func compareSpans(a, b span) int { return cmp.Compare(a.first, b.first) }

// count is the number of lines; the runs must be joined.
func (s spans) count() (n int) {
	for _, r := range s {
		n += int(r.last-r.first) + 1
	}
	return n
}

// append writes the runs, which must be joined: their number, then for each how many lines are left out before it, less 1
// but for the first, and how many it has, less 1.
func (s spans) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	next := uint32(1)
	for _, r := range s {
		dst = binary.AppendUvarint(dst, uint64(r.first-next))
		dst = binary.AppendUvarint(dst, uint64(r.last-r.first))
		next = r.last + 2
	}
	return dst
}

// errSpans means that what should be runs of lines is not.
var errSpans = errors.New("audit: notes of a job are damaged")

// read reads what append wrote, behind what s has already.
func (s *spans) read(r *bufio.Reader) error {
	n, err := readNumber(r)
	if err != nil {
		return err
	}
	next := uint64(1)
	for range n {
		gap, err := readNumber(r)
		if err != nil {
			return err
		}
		more, err := readNumber(r)
		if err != nil {
			return err
		}
		first := next + gap
		if first+more > maxMarkLine {
			return errSpans
		}
		*s = append(*s, span{uint32(first), uint32(first + more)})
		next = first + more + 2
	}
	return nil
}

func readNumber(r *bufio.Reader) (uint64, error) {
	n, err := binary.ReadUvarint(r)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), err == nil && n > maxMarkLine:
		return 0, errSpans
	case err != nil:
		return 0, err // of the store, or an overflow
	}
	return n, nil
}
