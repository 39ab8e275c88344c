package lane

import (
	"fmt"

	"github.com/onceflow/onceflow/stream/driver"
)

// takeMarks takes in the marks of a batch whose positions were reached. Those of records that were consumed in an earlier
// run say nothing new.
func (c *Lane) takeMarks(b *driver.Batch) error {
	for i := range b.Marks {
		m := &b.Marks[i]
		at, ok := c.byID[m.Partition]
		if !ok {
			return fmt.Errorf("%w: it marked %v, which is no partition of lane %s", ErrSource, m.Partition, c.lane.Name)
		}
		if !plainMark(m.Text) {
			return fmt.Errorf("%w: the mark %q of %v is not of 1 to %d printable characters", ErrSource, m.Text, m.Partition, driver.MaxMark)
		}
		if p := &c.parts[at]; m.At.After(p.marked) && !m.At.After(p.upTo) {
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
	return s != "" && len(s) <= driver.MaxMark
}
