package ledger

import (
	"errors"
	"fmt"

	"github.com/onceflow/onceflow/stream/driver"
)

// ErrTooLong means that an entry is longer than MaxEntry: Entry.Fit moves parts of it to blobs.
var ErrTooLong = errors.New("ledger: entry too long")

// VoidError means that an entry is not valid after the entries before it, since somebody else was faster. The work is void
// for good. It matches driver.ErrFenced.
type VoidError struct {
	Lane   string // whose version is another one; empty if it is not about a lane
	Entry  uint64 // the entry that made it void; 0 if that is not known
	Reason string
}

func (e *VoidError) Error() string {
	s := "ledger: void: " + e.Reason
	if e.Lane != "" {
		s += fmt.Sprintf(" (lane %q)", e.Lane)
	}
	if e.Entry != 0 {
		s += fmt.Sprintf(" (entry %d)", e.Entry)
	}
	return s
}

// Is reports whether target is driver.ErrFenced.
func (e *VoidError) Is(target error) bool { return target == driver.ErrFenced }

// CorruptError means that an object is not what its author wrote, or that an entry says what no correct author writes. Do
// not believe any of it and write nothing after it: a person has to look.
type CorruptError struct {
	Object string // "entry 17", "genesis", "snapshot", ...
	Reason string
}

func (e *CorruptError) Error() string { return "ledger: " + e.Object + " is corrupt: " + e.Reason }

// Is reports whether target is driver.ErrStop.
func (e *CorruptError) Is(target error) bool { return target == driver.ErrStop }

func corrupt(object, format string, args ...any) error {
	return &CorruptError{Object: object, Reason: fmt.Sprintf(format, args...)}
}

// LostError means that a ledger lost objects: an object that was written later names one that is not there. Nothing may be
// written. The job would go on from a place that it has passed, and write rows twice.
type LostError struct {
	Job     string
	Found   string // key of the object that is there
	Missing string // "genesis.json", "entry 17": the first that is known to be gone
	Last    uint64 // the last entry that is there without a gap before it; 0 if there is none
}

func (e *LostError) Error() string {
	return fmt.Sprintf("ledger: job %q has lost objects: %s is there, but %s is not, which was written before it. A lifecycle rule "+
		"or a cleanup may have deleted it, or the folder may have been restored to an earlier moment in part. To go on from here would write "+
		"rows twice, so nothing is written. Bring back what is missing (from older versions of the objects, or a backup), or "+
		"write to another Prefix, which begins at the start of the source; see \"A ledger that lost objects\" in docs/operations.md",
		e.Job, e.Found, e.Missing)
}

// Is reports whether target is driver.ErrStop.
func (e *LostError) Is(target error) bool { return target == driver.ErrStop }

// VersionError means that an object was written by a newer version. This version must not read it or write after it.
type VersionError struct {
	Object    string
	Kind      Kind // an unknown or reserved kind; empty if the version is the reason
	Format    int
	MinReader int // the version that is needed
	Feature   string
}

func (e *VersionError) Error() string {
	switch {
	case e.Kind != "":
		return fmt.Sprintf("ledger: %s has the kind %q, which this version does not know: use a newer version", e.Object, e.Kind)
	case e.Feature != "":
		return fmt.Sprintf("ledger: %s uses %s, which this version does not know: use a newer version", e.Object, e.Feature)
	}
	return fmt.Sprintf("ledger: %s has format %d and needs a reader of format %d; this one is %d: use a newer version",
		e.Object, e.Format, e.MinReader, Format)
}

// Is reports whether target is driver.ErrStop.
func (e *VersionError) Is(target error) bool { return target == driver.ErrStop }
