// Package reasons counts records without a row by fate and label. It bounds the number of labels, derives them from errors,
// and adds up the counts of lanes and of commits.
package reasons

import (
	"time"

	"github.com/onceflow/onceflow/stream/record"
)

// A lane and a Status have Most reasons. What is more counts as Other of its fate.
const (
	Most  = 64
	Other = "other"
)

// Table numbers the reasons of a lane and counts its records. Number 0 is none. It is not safe for concurrent use.
type Table struct {
	at     map[record.Reason]uint16
	list   []record.Reason
	n      []int64
	first  []*Example    // since the last Take, of those that are told
	last   record.Reason // as it was given
	lastAt uint16
	late   *Example // the first late row since the last Take
}

// Example is a record that is told about when its kind begins.
type Example struct {
	Reason    record.Reason
	Partition record.Partition
	Position  string        // as the source's own tools print it
	Time      time.Time     // of the event; zero if it is not known
	Behind    time.Duration // of the newest event of its partition
	Err       error
}

// New makes a table without reasons.
func New() Table {
	return Table{at: map[record.Reason]uint16{}, list: make([]record.Reason, 1), n: make([]int64, 1), first: make([]*Example, 1)}
}

// Index is the number of a reason.
func (t *Table) Index(f record.Fate, why string) uint16 {
	if why == t.last.Why && f == t.last.Fate {
		return t.lastAt
	}
	given := record.Reason{Fate: f, Why: why}
	i := t.find(given)
	t.last, t.lastAt = given, i
	return i
}

func (t *Table) find(given record.Reason) uint16 {
	if given.Why == "" {
		return 0
	}
	k := record.Reason{Fate: given.Fate, Why: printable(given.Why)}
	i, ok := t.at[k]
	if !ok && len(t.list) > Most {
		k.Why = Other
		i, ok = t.at[k]
	}
	if !ok {
		i = uint16(len(t.list))
		t.at[k], t.list, t.n, t.first = i, append(t.list, k), append(t.n, 0), append(t.first, nil)
	}
	return i
}

// Count counts a record.
func (t *Table) Count(i uint16) { t.n[i]++ }

// Untold reports whether reason i has no example yet.
func (t *Table) Untold(i uint16) bool { return t.first[i] == nil }

// UntoldLate is Untold for late rows, which have no label.
func (t *Table) UntoldLate() bool { return t.late == nil }

// Tell gives reason i its example.
func (t *Table) Tell(i uint16, x Example) {
	x.Reason = t.list[i]
	t.first[i] = &x
}

// TellLate gives late rows their example.
func (t *Table) TellLate(x Example) {
	x.Reason = record.Reason{Fate: record.Late}
	t.late = &x
}

// Take returns the counts and the examples, and begins anew.
func (t *Table) Take() (counts map[record.Reason]int64, examples []*Example) {
	for i, n := range t.n {
		if n > 0 && i > 0 {
			if counts == nil {
				counts = map[record.Reason]int64{}
			}
			counts[t.list[i]] = n
		}
		if x := t.first[i]; x != nil {
			examples = append(examples, x)
			t.first[i] = nil
		}
	}
	if t.late != nil {
		examples = append(examples, t.late)
		t.late = nil
	}
	clear(t.n)
	return counts, examples
}
