package driver

import (
	"strings"
	"time"
)

// Describer is a Store with Traits. A job works on a Store without it, too.
type Describer interface{ Traits() Traits }

// Traits describe a Store: mostly which parts of the contract of Store and Stager it cannot keep.
type Traits struct {
	// Overwrites: Publish may replace an object that another writer put under its key. Jobs are safe, since final names are
	// unique.
	Overwrites bool

	// PartBytes is the length of the parts in which the Store sends a file, 0 if it sends none. The first start of a job
	// stages and publishes a file of more than one, so that a store that refuses it does so before a commit.
	PartBytes int64

	// HidesOpen: Staged does not show files before they are closed. HidesAll: it shows none. The sweeper cannot delete what
	// it does not see, so the Store's own expiry has to.
	HidesOpen, HidesAll bool

	// Deletes are the Store's rules that delete objects. sink.Open refuses a rule that would delete what a job needs.
	Deletes []Deletion

	// Folder is the absolute path of a Store that is a local folder; empty for others. With it sink.Open refuses a job that
	// would read its own output.
	Folder string

	// FakeClock: the clock belongs to a test and may jump, and the sink believes it at once. Package sinktest sets it.
	FakeClock bool
}

// TraitsOf are the traits of s.
func TraitsOf(s Store) Traits {
	if d, ok := s.(Describer); ok {
		return d.Traits()
	}
	return Traits{}
}

// Deletion is a rule by which a Store deletes objects or staged files of its own accord, as lifecycle rules of buckets do. A
// limit that a service has in any case is a rule, too: blocks that Azure drops a week after they were staged.
type Deletion struct {
	Rule string // its name, or where it stands

	// Staging says that the rule deletes staged files, such as uploads that were not completed, and not objects.
	Staging bool

	// Prefix selects the keys that the rule deletes, relative to what the Store was opened on. Empty is all keys. Those of
	// staged files are their final ones.
	Prefix string

	// After is the age at which the rule deletes; 0 if it is unknown or the rule has a date.
	After time.Duration

	// Early says that the rule could delete a committed file before a job that was stopped looks at it again: After is less
	// than the longest stop that the user has allowed for, in the Options of the Store (Recovery, 3 days if nothing is said).
	// sink.Open refuses such a rule if it is for files of the job.
	Early bool
}

// Hits reports whether the rule may delete keys that begin with folder.
func (d *Deletion) Hits(folder string) bool {
	return strings.HasPrefix(folder, d.Prefix) || strings.HasPrefix(d.Prefix, folder)
}
