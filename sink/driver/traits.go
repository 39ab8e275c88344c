package driver

import (
	"strings"
	"time"
)

// Describer is a Store that has something to tell of itself. A job works on any Store all the same.
type Describer interface{ Traits() Traits }

// Traits are what a Store tells of itself: mostly what it cannot do of what Store and Stager say.
type Traits struct {
	// Overwrites: Publish replaces an object that another writer put under its key. It does no harm to jobs, since final
	// names are unique.
	Overwrites bool

	// HidesOpen: Staged does not show files before they are closed. HidesAll: it shows none. What is abandoned there is
	// left to the Store's own expiry.
	HidesOpen, HidesAll bool

	// Deletes are rules by which objects are deleted. sink.Open refuses those that would take what a job needs.
	Deletes []Deletion

	// Folder is the absolute path of a Store in a folder of this machine; empty for others. A job that would read its own
	// output is refused by it.
	Folder string

	// FakeClock: the clock is a test's own, which may jump, so that a sink believes it at once. Package sinktest has it.
	FakeClock bool
}

// TraitsOf are the traits of s.
func TraitsOf(s Store) Traits {
	if d, ok := s.(Describer); ok {
		return d.Traits()
	}
	return Traits{}
}

// Deletion is a rule by which a Store deletes objects of its own accord, as lifecycle rules of buckets do.
type Deletion struct {
	Rule string // its name, or where it stands

	// Prefix is that of the keys that it is for, relative to what the Store was opened on. Empty is all keys.
	Prefix string

	// After is the age at which it deletes; 0 if it is not known, or a date.
	After time.Duration

	// Early says that a committed file could go before a job that was stopped has looked at it again.
	Early bool
}

// Hits reports whether keys that begin with folder may be deleted by it.
func (d *Deletion) Hits(folder string) bool {
	return strings.HasPrefix(folder, d.Prefix) || strings.HasPrefix(d.Prefix, folder)
}
