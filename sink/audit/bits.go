package audit

import "math/bits"

// lineSet is a set of lines; line 1 is the first bit.
type lineSet []uint64

// add adds a run of lines that are at most MaxLines.
func (s *lineSet) add(first, last int) {
	for need := (last + 63) / 64; len(*s) < need; {
		*s = append(*s, 0)
	}
	for i := first - 1; i < last; {
		if i%64 == 0 && last-i >= 64 {
			(*s)[i/64] = ^uint64(0)
			i += 64
			continue
		}
		(*s)[i/64] |= 1 << (i % 64)
		i++
	}
}

func (s lineSet) has(line int) bool {
	i := line - 1
	return i/64 < len(s) && s[i/64]&(1<<(i%64)) != 0
}

// count is how many lines up to last are in s.
func (s lineSet) count(last int) (n int) {
	for i, w := range s {
		if rest := last - i*64; rest < 64 {
			if rest > 0 {
				n += bits.OnesCount64(w & (1<<rest - 1))
			}
			break
		}
		n += bits.OnesCount64(w)
	}
	return n
}

// unite adds the lines of o.
func (s *lineSet) unite(o lineSet) {
	for i, w := range o {
		if i == len(*s) {
			*s = append(*s, 0)
		}
		(*s)[i] |= w
	}
}

// missing are the first most runs of lines from 1 to last that are not in s.
func (s lineSet) missing(last, most int) (runs []Range) {
	for line := 1; line <= last; line++ {
		switch n := len(runs); {
		case s.has(line):
		case n > 0 && runs[n-1].Last == line-1:
			runs[n-1].Last = line
		case n == most:
			return runs
		default:
			runs = append(runs, Range{line, line})
		}
	}
	return runs
}

// Range is a run of lines, both ends included.
type Range struct {
	First int `json:"first"`
	Last  int `json:"last"`
}
