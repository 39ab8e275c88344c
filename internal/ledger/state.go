package ledger

import (
	"maps"
	"slices"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// State is the fold of a ledger's entries: all that validation, adoption, closing and sweeping need. Its size is
// O(partitions that were not forgotten + unpublished entries + open hours), and some 60 bytes for each of Finished. It is not safe for concurrent use.
type State struct {
	Genesis     Genesis
	GenesisHash Hash
	Last        uint64 // id of the last entry folded; 0 before the first
	Hash        Hash   // of the last entry's object; of genesis before the first

	Config     Config // Generation 0 before the first
	Lanes      map[string]*Lane
	Partitions map[record.Partition]*Partition
	Pending    map[uint64]Pending  // committed entries with a manifest that are not marked as published
	Hours      map[time.Time]*Hour // open hours that have on-time files, by their start

	// Closed is the end of the last closed hour; before the first Close it is Genesis.Start, zero if that is not set.
	// Events of hours that end at or before it are late everywhere.
	Closed      time.Time
	ClosedEntry uint64    // the last Close; 0 before the first
	ClosedAt    time.Time // what the store's clock said for it
	Sealed      time.Time // end of the last hour whose seal objects are known to exist

	Read   int64 // of all partitions
	Counts record.Counts
	Rows   int64 // in on-time files

	// Floor is the smallest adoption, as LaneCommit.Adopted has it, of which an unknown lane is sure to be untouched since.
	Floor    uint64
	Over     int64     // partitions that were forgotten
	Finished *Finished // those of them that the source may still list; shared by no copy
}

// Lane is the state of a lane that was touched. A *Lane of a State is never changed, only replaced.
type Lane struct {
	Version uint64 // the entry that last touched it
	Token   Token  // of the adoption under which that entry was written

	// parts are all that are in it. Copies of the state share the array: what lies in it is never changed, and only the
	// state that was copied may append to it.
	parts []record.Partition
}

// Partition is the state of a partition. A *Partition of a State is never changed, only replaced.
type Partition struct {
	Lane     string
	Progress driver.Progress // without Held if there are HeldBlobs

	// HeldBlobs say what is held if that was too long for an entry: the first a whole set, each other one what it changes.
	HeldBlobs []*Blob

	HeldLen int
	Retired bool
	Read    int64
	Counts  record.Counts
}

// Pending is a committed entry whose files and manifest are not known to be in place.
type Pending struct {
	Hours []time.Time // of its on-time files, ascending; none hold no hour back
}

// Hour is an open hour that has on-time files. A *Hour of a State is never changed, only replaced.
type Hour struct {
	First, Last        uint64 // first and last entry with files of it
	Files, Rows, Bytes int64
}

// NewState returns the state of a ledger without entries. hash is that of the genesis object.
func NewState(g Genesis, hash Hash) *State {
	return &State{
		Genesis: g, GenesisHash: hash, Hash: hash, Closed: g.Start,
		Lanes:      make(map[string]*Lane),
		Partitions: make(map[record.Partition]*Partition),
		Pending:    make(map[uint64]Pending),
		Hours:      make(map[time.Time]*Hour),
		Finished:   newFinished(),
	}
}

// Clone returns a copy that folds on its own.
func (s *State) Clone() *State {
	c := *s
	c.Lanes, c.Partitions = maps.Clone(s.Lanes), maps.Clone(s.Partitions)
	for name, l := range c.Lanes {
		if len(l.parts) < cap(l.parts) {
			own := *l
			own.parts = slices.Clip(l.parts)
			c.Lanes[name] = &own
		}
	}
	c.Pending, c.Hours = maps.Clone(s.Pending), maps.Clone(s.Hours)
	c.Finished = s.Finished.clone()
	return &c
}

// Standing returns a copy of the partitions and sums of s as they are now, for a look back; nothing can be folded into it.
func (s *State) Standing() *State {
	return &State{Genesis: s.Genesis, Last: s.Last, Partitions: maps.Clone(s.Partitions), Read: s.Read, Counts: s.Counts, Rows: s.Rows}
}

// Base returns the version of a lane: what LaneCommit.Base and Retire.Base must be.
func (s *State) Base(lane string) uint64 {
	if l := s.Lanes[lane]; l != nil {
		return l.Version
	}
	return s.ClosedEntry
}

// Low returns up to when the hours of a lane are complete, which is the smallest low of its partitions: parts and all
// that the state knows of in that lane. It is zero if one of them has none. Partitions that were retired, or have ended
// and hold nothing, do not count as long as there is another one. An event is late if its hour ends at or before the
// greater of Low and Closed.
func (s *State) Low(lane string, parts []record.Partition) time.Time {
	var live, rest bound
	if l := s.Lanes[lane]; l != nil {
		for _, p := range l.parts {
			if st := s.Partitions[p]; st.free() {
				rest.add(st.Progress.Low)
			} else {
				live.add(st.Progress.Low)
			}
		}
	}
	for _, p := range parts {
		if st := s.Partitions[p]; st == nil {
			if !s.Finished.Has(p) {
				live.add(time.Time{})
			}
		} else if st.Lane != lane && !st.free() {
			live.add(st.Progress.Low)
		}
	}
	if live.any {
		return live.min
	}
	return rest.min
}

// Resume returns from where a partition is to be read: its progress, and the blobs that have its held set if it was too
// long, the whole set first. A retired one is given as ended and without what it held, so that nothing of it comes; a Commit must leave it out.
func (s *State) Resume(p record.Partition) (progress driver.Progress, held []*Blob) {
	st := s.Partitions[p]
	switch {
	case st == nil:
		progress, _ = s.Finished.progress(p)
		return progress, nil
	case st.Retired:
		was := st.Progress
		return driver.Progress{UpTo: was.UpTo, Seen: was.Seen, Low: was.Low, Arrived: was.Arrived, Mark: was.Mark, Ended: true}, nil
	}
	return st.Progress, st.HeldBlobs
}

// bound is the minimum of times.
type bound struct {
	min time.Time
	any bool
}

func (b *bound) add(t time.Time) {
	if !b.any || t.Before(b.min) {
		b.min, b.any = t, true
	}
}

// free reports whether p sets no bound to clocks and closes: nothing of it will ever come.
func (p *Partition) free() bool { return p.Retired || p.Progress.Ended && p.HeldLen == 0 }

// Clock returns how far the committed event time of the whole job has got. Shared state may expire by it alone.
func (s *State) Clock() record.Clock {
	var live, rest bound
	var c record.Clock
	for _, p := range s.Partitions {
		if p.free() {
			rest.add(p.Progress.Seen)
			continue
		}
		live.add(p.Progress.Seen)
		if t := p.Progress.HeldTime; !t.IsZero() && (c.Held.IsZero() || t.Before(c.Held)) {
			c.Held = t
		}
	}
	c.Seen = rest.min
	if live.any {
		c.Seen = live.min
	}
	return c
}

// NeedsMark reports whether something waits for a mark, so that an hour could not close without one.
func (s *State) NeedsMark() bool { return len(s.Pending) > 0 }
