package fetch

import (
	"time"

	"github.com/onceflow/onceflow/stream/record"
)

// mark says that a record at an offset has a time.
type mark struct {
	offset int64
	time   time.Time
}

// maxMarks bounds the marks of a partition.
const maxMarks = 256

// marked saves the time of the first record of a delivery, to know the age of the oldest uncommitted record.
func (p *part) marked(r *record.Record) {
	m := mark{r.Position.Sub - 1, r.Time}
	if len(p.marks) == maxMarks { // thin out, and keep the oldest
		for i := range maxMarks / 2 {
			p.marks[i] = p.marks[2*i]
		}
		p.marks = p.marks[:maxMarks/2]
	}
	p.marks = append(p.marks, m)
}

// acked forgets the marks of committed records. It keeps the last one, whose delivery may be committed in part only.
func (p *part) acked(next int64) {
	i := 0
	for i+1 < len(p.marks) && p.marks[i+1].offset < next {
		i++
	}
	p.marks = p.marks[:copy(p.marks, p.marks[i:])]
	if len(p.marks) == 1 && p.plan != nil && next >= p.plan.consumed {
		p.marks = p.marks[:0] // everything is
	}
}
