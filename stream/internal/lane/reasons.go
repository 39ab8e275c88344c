package lane

import (
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// A lane has MoreReasons kinds at most. What is more counts as OtherWhy of its fate.
const (
	MoreReasons = 64
	OtherWhy    = "other"
)

// reasons numbers the reasons of a lane and counts its records. Number 0 is none.
type reasons struct {
	at     map[record.Reason]uint16
	list   []record.Reason
	n      []int64
	first  []*Example    // since the last cut, of those that are told
	last   record.Reason // as it was given
	lastAt uint16

	late *Example // the first late row since the last cut
}

// Example is a record that is told about when its kind begins.
type Example struct {
	Reason    record.Reason
	Partition record.Partition
	Position  record.Position
	Time      time.Time     // of the event; zero if it is not known
	Behind    time.Duration // of the newest event of its partition
	Err       error
}

// Cut is what a cut says of a lane, with what the engine tells of it elsewhere.
type Cut struct {
	driver.LaneCut
	Reasons  map[record.Reason]int64
	Examples []*Example
}

func newReasons() reasons {
	return reasons{at: map[record.Reason]uint16{}, list: make([]record.Reason, 1), n: make([]int64, 1), first: make([]*Example, 1)}
}

func (r *reasons) index(f record.Fate, why string) uint16 {
	if why == r.last.Why && f == r.last.Fate {
		return r.lastAt
	}
	given := record.Reason{Fate: f, Why: why}
	i := r.find(given)
	r.last, r.lastAt = given, i
	return i
}

func (r *reasons) find(given record.Reason) uint16 {
	if given.Why == "" {
		return 0
	}
	k := record.Reason{Fate: given.Fate, Why: printable(given.Why)}
	i, ok := r.at[k]
	if !ok && len(r.list) > MoreReasons {
		k.Why = OtherWhy
		i, ok = r.at[k]
	}
	if !ok {
		i = uint16(len(r.list))
		r.at[k], r.list, r.n, r.first = i, append(r.list, k), append(r.n, 0), append(r.first, nil)
	}
	return i
}

// take moves the counts and examples into c and begins anew.
func (r *reasons) take(c *Cut) {
	for i, n := range r.n {
		if n > 0 && i > 0 {
			if c.Reasons == nil {
				c.Reasons = map[record.Reason]int64{}
			}
			c.Reasons[r.list[i]] = n
		}
		if x := r.first[i]; x != nil {
			x.Reason = r.list[i]
			c.Examples = append(c.Examples, x)
			r.first[i] = nil
		}
	}
	if r.late != nil {
		c.Examples = append(c.Examples, r.late)
		r.late = nil
	}
	clear(r.n)
}
