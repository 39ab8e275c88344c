package ledger

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

// Prepare gives e the place behind the last entry and takes out the marks that others have made meanwhile or that are
// too many. It must be called again for every slot that is tried, with the state folded to the slot before it; the entry
// is then validated and encoded. A Mark may be left with nothing, which Validate calls void.
func (s *State) Prepare(e *Entry) {
	e.Format, e.MinReader, e.ID, e.Prev = Format, MinReader, s.Last+1, s.Hash
	e.Published = slices.DeleteFunc(slices.Clone(e.Published), func(id uint64) bool {
		_, pending := s.Pending[id]
		return !pending
	})
	slices.Sort(e.Published)
	e.Published = slices.Compact(e.Published)
	e.Published = e.Published[:min(len(e.Published), MaxPublished)]
	if !e.Sealed.After(s.Sealed) {
		e.Sealed = time.Time{}
	}
	if e.Commit == nil {
		return
	}
	for i := range e.Commit.Lanes {
		for k := range e.Commit.Lanes[i].Partitions {
			p := &e.Commit.Lanes[i].Partitions[k]
			if old := s.Partitions[p.Partition]; old != nil {
				p.blobs = len(old.HeldBlobs)
			}
		}
	}
}

// Fold takes in the entry with the ID Last+1. hash is that of its object. On an error the state is as before, and nothing
// may be appended: a stored entry that is not valid is corruption, since its author has validated it.
func (s *State) Fold(e *Entry, hash Hash) error {
	object := fmt.Sprintf("entry %d", e.ID)
	if e.ID != s.Last+1 {
		return corrupt(object, "it does not follow entry %d", s.Last)
	}
	if e.Prev != s.Hash {
		return corrupt(object, "the entry before it has another hash")
	}
	if err := s.Validate(e); err != nil {
		return corrupt(object, "it is not valid: %v", err)
	}
	for _, id := range e.Published {
		delete(s.Pending, id)
	}
	s.Sealed = later(s.Sealed, e.Sealed)
	switch e.Kind {
	case KindConfig:
		s.Config = Config{e.Config.Generation, slices.Clone(e.Config.Topics), slices.Clone(e.Config.Logs)}
	case KindCommit:
		s.foldCommit(e)
	case KindClose:
		s.foldClose(e)
	case KindRetire:
		s.foldRetire(e)
	case KindForget:
		s.foldForget(e.Forget)
	}
	s.Last, s.Hash = e.ID, hash
	return nil
}

// foldCommit touches each lane of the entry, whether progress changed or not: only so a version tells who came last.
func (s *State) foldCommit(e *Entry) {
	left := map[string]bool{} // lanes that partitions move away from
	for i := range e.Commit.Lanes {
		l := &e.Commit.Lanes[i]
		s.touch(l.Lane, e.ID, l.Token)
		var ends []*PartitionCommit // those that end by this entry
		for k := range l.Partitions {
			p := &l.Partitions[k]
			if old := s.Partitions[p.Partition]; p.Progress.Ended && (old == nil || !old.Progress.Ended) {
				ends = append(ends, p)
			}
			if from := s.foldPartition(l.Lane, p); from != "" {
				left[from] = true
			}
		}
		for _, p := range ends {
			s.foldChildren(l.Lane, p)
		}
	}
	for lane := range left {
		next := *s.Lanes[lane]
		next.parts = slices.DeleteFunc(slices.Clone(next.parts), func(p record.Partition) bool { return s.Partitions[p].Lane != lane })
		s.Lanes[lane] = &next
	}
	if e.Commit.HasManifest() {
		p := Pending{Hours: make([]time.Time, len(e.Commit.Hours))}
		for i, h := range e.Commit.Hours {
			p.Hours[i] = h.Hour
		}
		s.Pending[e.ID] = p
	}
	for _, h := range e.Commit.Hours {
		sum := Hour{First: e.ID}
		if old := s.Hours[h.Hour]; old != nil {
			sum = *old
		}
		sum.Last, sum.Files, sum.Rows, sum.Bytes = e.ID, sum.Files+h.Files, sum.Rows+h.Rows, sum.Bytes+h.Bytes
		s.Hours[h.Hour] = &sum
		s.Rows += h.Rows
	}
}

// foldPartition returns the lane that the partition moves away from, in whose list it stays until its caller takes it out;
// empty if it does not move.
func (s *State) foldPartition(lane string, p *PartitionCommit) (from string) {
	next := Partition{Lane: lane, Progress: p.Progress, HeldLen: p.HeldLen, Read: p.Read, Counts: p.Counts}
	if p.HeldBlob != nil {
		next.Progress.Held = driver.HeldSet{}
		if p.HeldBefore > 0 {
			next.HeldBlobs = slices.Clone(s.Partitions[p.Partition].HeldBlobs)
		}
		next.HeldBlobs = append(next.HeldBlobs, p.HeldBlob)
	}
	if old := s.Partitions[p.Partition]; old != nil {
		next.Read += old.Read
		next.Counts.Add(old.Counts)
		if old.Lane != lane {
			from = old.Lane
		}
	}
	s.put(p.Partition, &next)
	s.Read += p.Read
	s.Counts.Add(p.Counts)
	return from
}

// foldChildren makes the children of an ended partition known, in its lane and with its clocks: they hold hours open from
// the very entry that stops their parent from doing so, and by no later one, since then they have clocks of their own. A
// child of two parents has the earlier clocks.
func (s *State) foldChildren(lane string, p *PartitionCommit) {
	for _, c := range p.Progress.Children {
		child := Partition{Lane: lane, Progress: driver.Progress{Seen: p.Progress.Seen, Low: p.Progress.Low, Arrived: p.Progress.Arrived}}
		if old := s.Partitions[c]; old != nil {
			if !old.Progress.UpTo.IsZero() || old.Progress.Ended || old.Retired {
				continue
			}
			child = *old
			child.Progress.Seen = earlier(old.Progress.Seen, p.Progress.Seen)
			child.Progress.Low = earlier(old.Progress.Low, p.Progress.Low)
			child.Progress.Arrived = earlier(old.Progress.Arrived, p.Progress.Arrived)
		}
		s.put(c, &child)
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func (s *State) foldClose(e *Entry) {
	s.Closed, s.ClosedEntry, s.ClosedAt = e.Close.Through, e.ID, e.Close.At
	maps.DeleteFunc(s.Hours, func(start time.Time, _ *Hour) bool { return start.Before(e.Close.Through) })
}

// foldRetire touches the lane, so that a commit of that partition which is under way becomes void.
func (s *State) foldRetire(e *Entry) {
	r := e.Retire
	next := Partition{Lane: r.Lane}
	if old := s.Partitions[r.Partition]; old != nil {
		next = *old
	}
	next.Retired = true
	s.put(r.Partition, &next)
	s.touch(r.Lane, e.ID, r.Token)
}

func (s *State) touch(lane string, version uint64, token Token) {
	next := Lane{Version: version, Token: token}
	if old := s.Lanes[lane]; old != nil {
		next.parts = old.parts
	}
	s.Lanes[lane] = &next
}

// put sets the state of a partition, and takes it into the list of its lane, which is touched by the same entry.
func (s *State) put(p record.Partition, next *Partition) {
	old := s.Partitions[p]
	s.Partitions[p] = next
	if old != nil && old.Lane == next.Lane {
		return
	}
	to := Lane{}
	if l := s.Lanes[next.Lane]; l != nil {
		to = *l
	}
	to.parts = append(to.parts, p) // behind the end of the list in copies of the state
	s.Lanes[next.Lane] = &to
}
