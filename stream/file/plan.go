package file

import (
	"fmt"

	"github.com/onceflow/onceflow/stream/driver"
)

// plan says which records of a file a lane wants: the pending ones, then what follows upTo. Positions that it needs are
// those which the job has seen before: that each begins a record again is the sign that the file is the same.
type plan struct {
	upTo    int64
	pending driver.PendingSet
	next    int // index in pending.Ordinals

	warm  bool // everything up to upTo but the pending ones, instead
	ended bool // nothing after upTo
	check bool // with ended: make sure that there is nothing after upTo

	passed bool // upTo was met
}

func newPlan(p driver.Progress) plan {
	return plan{upTo: p.UpTo.Sub, pending: p.Pending, ended: p.Ended, passed: p.UpTo.Sub == 0}
}

// need is the next position that must begin a record; 0 is none.
func (p *plan) need() int64 {
	switch {
	case p.next < len(p.pending.Ordinals):
		return p.pending.First.Sub + int64(p.pending.Ordinals[p.next])
	case p.passed || p.ended && !p.check && !p.warm:
		return 0
	}
	return p.upTo
}

// skip is the number of the first line that matters; those before it need not be looked at.
func (p *plan) skip() int64 {
	if p.warm {
		return 0
	}
	return p.need()
}

// done says that nothing more is wanted. A plan that is not ended is never done.
func (p *plan) done() bool {
	if p.warm {
		return p.passed
	}
	return p.ended && !p.check && p.next == len(p.pending.Ordinals)
}

// meet is told of every record from skip on, in order, and says whether to deliver it.
func (p *plan) meet(line int64) (deliver bool, err error) {
	need := p.need()
	switch {
	case need == 0 && p.check:
		return false, fmt.Errorf("line %d was added after the file had been read to its end: put new lines in a new file, "+
			"or begin a job with Options.Follow", line)
	case need == 0:
		return true, nil
	case line < need:
		return p.warm, nil
	case line > need:
		return false, fmt.Errorf("no record begins at line %d any more, lines %d to %d were read before: %w",
			need, need, p.upTo, driver.ErrLost)
	}
	pending := p.next < len(p.pending.Ordinals)
	if pending {
		p.next++
	}
	if line == p.upTo {
		p.passed = true
	}
	return pending != p.warm, nil
}

// end is told how many lines the file has.
func (p *plan) end(lines int64) error {
	if need := p.need(); need != 0 {
		return fmt.Errorf("lines %d to %d are gone, the file has %d lines now: %w", min(lines+1, need), p.upTo, lines, driver.ErrLost)
	}
	return nil
}
