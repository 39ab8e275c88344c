package scaler

import (
	"fmt"
	"time"
)

// Size is how much of a job runs: copies, and the cores of each.
type Size struct {
	Copies int `json:"copies"`

	// Cores are the CPU cores of one copy. Zero leaves them as they are.
	Cores float64 `json:"cores,omitempty"`
}

// String gives "8 copies" or "8 copies of 2 cores".
func (s Size) String() string {
	if s.Cores == 0 {
		return fmt.Sprintf("%d copies", s.Copies)
	}
	return fmt.Sprintf("%d copies of %g cores", s.Copies, s.Cores)
}

// Fill replaces what s leaves open by what the target has.
func (s Size) Fill(current Size) Size {
	if s.Cores == 0 {
		s.Cores = current.Cores
	}
	return s
}

// Capacity orders sizes. It takes a size without cores as one of a core per copy.
func (s Size) Capacity() float64 {
	if s.Cores == 0 {
		return float64(s.Copies)
	}
	return float64(s.Copies) * s.Cores
}

// Faults says why nothing can have this size; nil is none.
func (s Size) Faults() (faults []string) {
	if s.Copies > mostCopies {
		faults = append(faults, fmt.Sprintf("%d is not a number of copies", s.Copies))
	}
	if s.Copies < 1 {
		faults = append(faults, fmt.Sprintf("%d copies have no capacity", s.Copies))
	}
	if !(s.Cores >= 0 && s.Cores <= mostCores) {
		faults = append(faults, fmt.Sprintf("%g cores are not a number of cores", s.Cores))
	}
	return faults
}

// mostCopies is beyond what any job has, and mostCores beyond what any copy has.
const mostCopies, mostCores = 1_000_000, 1_000_000

// larger is the greater of two sizes, number by number: more copies of one and more cores of the other give both, so
// that nobody's floor is broken.
func larger(a, b Size) Size {
	return Size{Copies: max(a.Copies, b.Copies), Cores: max(a.Cores, b.Cores)}
}

// Change is a step from one size to another.
type Change struct {
	At   time.Time `json:"at"`
	From Size      `json:"from"`
	To   Size      `json:"to"`
	Why  string    `json:"why"`

	// Outside is set if somebody else made the change: a person, another scaler, a deployment.
	Outside bool `json:"outside,omitempty"`
}
