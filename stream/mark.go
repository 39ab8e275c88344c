package stream

import "fmt"

// MaxMark is the most bytes of Mark.Text.
const MaxMark = 64

// Mark is what a source says of a partition's records up to a position, to know them again: positions alone do not tell
// one log from another that took its place. It is for the source alone, which gets the last one back as Progress.Mark.
type Mark struct {
	Partition Partition

	// At is the position from which on Text is what is to be known, until the next mark: that of a record or of a Passed.
	At Position

	// Text has at most MaxMark bytes of printable ASCII.
	Text string
}

// takeMarks takes in the marks of a batch whose positions were reached. Those of records that were consumed in an earlier
// run say nothing new.
func (c *laneCore) takeMarks(b *Batch) error {
	for i := range b.Marks {
		m := &b.Marks[i]
		at, ok := c.byID[m.Partition]
		if !ok {
			return fmt.Errorf("%w: it marked %v, which is no partition of lane %s", errSource, m.Partition, c.lane.Name)
		}
		if !plainMark(m.Text) {
			return fmt.Errorf("%w: the mark %q of %v is not of 1 to %d printable characters", errSource, m.Text, m.Partition, MaxMark)
		}
		if p := &c.parts[at]; m.At.after(p.marked) && !m.At.after(p.upTo) {
			p.mark, p.marked = m.Text, m.At
		}
	}
	return nil
}

func plainMark(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return s != "" && len(s) <= MaxMark
}
